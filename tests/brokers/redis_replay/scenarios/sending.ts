import { assertEquals } from "@std/assert";
import type { Message, MessageProxy } from "@dq/dramatiq";
import { scenarioStep, type ScenarioSteps } from "../scenario_step.ts";
import { type Fixture, shown } from "../fixture.ts";

/** Declaring, sending and fetching. */
export const SENDING: Readonly<Record<string, ScenarioSteps>> = {
  "declare": ({ broker }) => {
    const delayQueues: string[] = [];
    broker.addMiddleware({
      afterDeclareDelayQueue: (_broker, queueName) => void delayQueues.push(queueName),
    });
    return [
      scenarioStep("declare_queue", () => broker.declareQueue("goldq")),
      scenarioStep("get_declared_queues", () => [...broker.queues]),
      scenarioStep("get_declared_delay_queues", () => delayQueues),
    ];
  },

  "enqueue-fetch-ack": (fixture) => {
    const reader = fixture.reader("goldq", 2);
    const taken: MessageProxy[] = [];
    const next = async () => {
      taken.push(await reader.next());
      return shown(taken.at(-1)!);
    };
    return [
      scenarioStep("enqueue", () => fixture.enqueue({ args: [0] })),
      scenarioStep("enqueue", () => fixture.enqueue({ args: [1] })),
      scenarioStep("enqueue", () => fixture.enqueue({ args: [2] })),
      scenarioStep("next(consumer)", next),
      scenarioStep("next(consumer)", next),
      scenarioStep("next(consumer)", () => reader.findNone()),
      scenarioStep("ack", () => reader.ack(taken[0]!)),
      scenarioStep("next(consumer)", next),
      scenarioStep("ack", () => reader.ack(taken[1]!)),
      scenarioStep("ack", () => reader.ack(taken[2]!)),
      scenarioStep("ack again", () => reader.consumer.ack([taken[2]!])),
      scenarioStep("next(consumer) on empty queue", () => reader.findNone()),
    ];
  },

  "fetch-prefetch-4": (fixture) => {
    const reader = fixture.reader("goldq", 4);
    return [
      scenarioStep("(three enqueued)", (keys) => fixture.write(keys)),
      scenarioStep("next(consumer)", async () => shown(await reader.next())),
      scenarioStep("next(consumer) x2", async () => {
        const messages = [await reader.next(), await reader.next()];
        return messages.map(({ message }) => message.args[0]);
      }),
      scenarioStep("next(consumer)", () => reader.findNone()),
    ];
  },

  "enqueue-details": enqueueDetails,

  "namespace": (fixture) => {
    const reader = fixture.reader("goldq", 1);
    let taken: MessageProxy;
    return [
      scenarioStep("enqueue", () => fixture.enqueue({ args: [1] })),
      scenarioStep("enqueue with delay", () => fixture.enqueue({ args: [1], delay: 5_000 })),
      scenarioStep("next(consumer)", async () => shown(taken = await reader.next())),
      scenarioStep("nack", () => reader.nack(taken)),
    ];
  },
};

function enqueueDetails(fixture: Fixture) {
  const { broker } = fixture;
  let sent: Message;
  let queued: Message;
  return [
    scenarioStep("enqueue", async () => {
      sent = fixture.message({ args: [1], options: { tenant: "a" } });
      return shown(queued = await broker.enqueue(sent));
    }),
    scenarioStep("the caller's message object is not changed", () => Object.keys(sent.options)),
    scenarioStep("enqueue the returned copy", async () => {
      const again = await broker.enqueue(queued);
      assertEquals(again.messageId, queued.messageId);
      return shown(again);
    }),
    scenarioStep("enqueue delay=0", () => fixture.enqueue({ args: [2], delay: 0 })),
    scenarioStep(
      "enqueue to goldq.DQ without delay",
      () => fixture.enqueue({ queueName: "goldq.DQ", args: [3] }),
    ),
    scenarioStep(
      "enqueue to goldq.DQ with delay",
      () => fixture.enqueue({ queueName: "goldq.DQ", args: [4], delay: 1_000 }),
    ),
    scenarioStep(
      "enqueue to goldq.XQ with delay",
      () => fixture.enqueue({ queueName: "goldq.XQ", args: [5], delay: 1_000 }),
    ),
    scenarioStep("enqueue unicode", () => fixture.enqueue({ args: ["zażółć 😀"] })),
    scenarioStep(
      "enqueue to a queue never declared",
      () => fixture.enqueue({ queueName: "goldundeclared", args: [1] }),
    ),
  ];
}
