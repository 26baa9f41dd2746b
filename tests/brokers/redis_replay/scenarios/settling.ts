import { type MessageProxy, UndecodableMessage } from "@dq/dramatiq";
import { scenarioStep, type ScenarioSteps } from "../scenario_step.ts";
import { shown } from "../fixture.ts";

/** Outcome of messages that were fetched. */
export const SETTLING: Readonly<Record<string, ScenarioSteps>> = {
  "nack": (fixture) => {
    const reader = fixture.reader("goldq", 1);
    const delayed = fixture.reader("goldq.DQ", 1);
    let taken: MessageProxy;
    return [
      scenarioStep("(one fetched from goldq, one from goldq.DQ)", async (keys) => {
        await fixture.writeUnfetched(keys);
        taken = await reader.next();
        await delayed.findNone();
      }, { isAwaited: true }),
      scenarioStep("nack on goldq", () => reader.nack(taken)),
      scenarioStep("nack on goldq.DQ", async () => {
        await fixture.moveClock(undefined, "<ts+60000>"); // sooner nobody gets it
        await delayed.nack(await delayed.next());
      }),
      scenarioStep("nack again", () => reader.consumer.nack([taken])),
      scenarioStep("ack after nack", () => reader.consumer.ack([taken])),
    ];
  },

  "requeue": (fixture) => {
    const reader = fixture.reader("goldq", 3);
    let taken: MessageProxy[];
    return [
      scenarioStep("(four enqueued, three fetched)", async (keys) => {
        await fixture.writeUnfetched(keys);
        taken = await reader.fetch(3);
      }),
      scenarioStep("requeue two", () => reader.requeue(...taken.slice(0, 2))),
      scenarioStep("requeue again", () => reader.consumer.requeue(taken.slice(0, 2))),
      scenarioStep("requeue none", () => reader.requeue()),
      scenarioStep("ack a requeued message", () => reader.consumer.ack(taken.slice(0, 1))),
    ];
  },

  "requeue-deleted-message": (fixture) => {
    const reader = fixture.reader("goldq", 1);
    let taken: MessageProxy;
    return [
      scenarioStep("(fetched; data removed from the hash by hand)", async (keys) => {
        await fixture.enqueue({ args: [1] });
        taken = await reader.next();
        await fixture.read(); // finds out its ids
        await fixture.write(keys);
      }),
      scenarioStep("requeue", () => reader.requeue(taken)),
    ];
  },

  "fetch-id-without-data": (fixture) => [
    scenarioStep(
      "(two enqueued; data of the first removed by hand)",
      (keys) => fixture.write(keys),
    ),
    scenarioStep("next(consumer)", async () => shown(await fixture.reader("goldq", 2).next())),
  ],

  "flush": (fixture) => {
    const [a, b] = [fixture.brokerOf("A"), fixture.brokerOf("B")];
    for (const queueName of ["goldq", "goldother"]) a.declareQueue(queueName);
    b.declareQueue("goldq");
    return [
      scenarioStep(
        "(goldq: 1 queued, 1 unacked by A, 1 unacked by B, 1 dead; goldq.DQ: 1 queued, " +
          "1 unacked by A; goldother: 1 queued)",
        (keys) => fixture.write(keys),
      ),
      scenarioStep("A.flush", () => a.flush("goldq")),
      scenarioStep("A.flush_all", () => a.flushAll()),
    ];
  },

  "undecodable": (fixture) => {
    const reader = fixture.reader("goldq", 2);
    return [
      scenarioStep("(one bad, one good enqueued)", (keys) => fixture.write(keys)),
      scenarioStep("next(consumer)", async () => {
        const { message } = await reader.next();
        return message instanceof UndecodableMessage ? message.error.name : shown(message);
      }),
      scenarioStep(
        "next(consumer) on the same consumer",
        async () => (await reader.next()).message.args[0],
      ),
    ];
  },
};
