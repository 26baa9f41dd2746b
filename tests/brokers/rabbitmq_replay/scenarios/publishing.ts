import { Message, type MessageOptions } from "@dq/dramatiq";
import { get, type ScenarioStep, scenarioStep, type ScenarioSteps } from "../scenario_step.ts";
import type { Fixture } from "../fixture.ts";

/** Sending, and what comes out of the queues. */
export const PUBLISHING: Readonly<Record<string, ScenarioSteps>> = {
  "publish-confirm-off": publish,
  "publish-confirm-on": publish,

  "publish-without-max-priority": (fixture) => [
    enqueue(fixture, "broker_priority=5", { brokerPriority: 5 }),
    get("goldq"),
  ],

  "priority-order": (fixture) => [
    scenarioStep("order of args on delivery", async () => {
      for (const [i, brokerPriority] of [0, undefined, 5, 10, 200, 5].entries()) {
        const options = brokerPriority === undefined ? {} : { brokerPriority };
        await fixture.enqueue({ args: [i], options });
      }
      const reader = fixture.reader("goldq", 1);
      const order: unknown[] = [];
      for (let i = 0; i < 6; i++) {
        const message = await reader.next();
        order.push(message.args[0]);
        await reader.ack(message);
      }
      return order;
    }),
  ],

  "queue-vanishes-confirm-off": async (fixture) => {
    await lose(fixture, "goldq");
    return [scenarioStep("enqueue", () => fixture.enqueue({ args: [1] }))];
  },

  "queue-vanishes-confirm-on": async (fixture) => {
    await lose(fixture, "goldq");
    return [scenarioStep("enqueue", () => fixture.enqueue({ args: [1] })), get("goldq")];
  },

  "delay-queue-vanishes-confirm-on": async (fixture) => {
    await lose(fixture, "goldq.DQ");
    return [
      scenarioStep("enqueue delay=1000", () => fixture.enqueue({ args: [1], delay: 1_000 })),
    ];
  },
};

function publish(fixture: Fixture): ScenarioStep[] {
  return [
    scenarioStep("enqueue", () => fixture.enqueue({ args: [1] })),
    get("goldq"),
    enqueue(fixture, "broker_priority=5", { brokerPriority: 5 }),
    get("goldq"),
    enqueue(fixture, "broker_priority=0", { brokerPriority: 0 }),
    get("goldq"),
    enqueue(fixture, "broker_priority=200 (above max_priority)", { brokerPriority: 200 }),
    get("goldq"),
    enqueue(fixture, "delay=5000", {}, 5_000),
    get("goldq.DQ"),
    enqueue(fixture, "delay=0", {}, 0),
    get("goldq.DQ"),
    enqueue(fixture, "delay=5000 broker_priority=7", { brokerPriority: 7 }, 5_000),
    get("goldq.DQ"),
    scenarioStep("enqueue unicode", () => fixture.enqueue({ args: ["zażółć 😀"] })),
    get("goldq"),
    enqueue(fixture, "broker_priority='high'", { brokerPriority: "high" as never }),
  ];
}

function enqueue(
  fixture: Fixture,
  name: string,
  options: MessageOptions,
  delay?: number,
): ScenarioStep {
  const delayed = delay === undefined ? {} : { delay };
  return scenarioStep(`enqueue ${name}`, () => fixture.enqueue({ args: [1], options, ...delayed }));
}

/** Deletes a queue behind the back of a broker that has sent to it. */
async function lose(fixture: Fixture, queueName: string): Promise<void> {
  await fixture.broker.enqueue(new Message({ queueName: "goldq", actorName: "work", args: [] }));
  await fixture.inspectedServer.channel.purgeQueue("goldq");
  await fixture.inspectedServer.channel.deleteQueue(queueName);
}
