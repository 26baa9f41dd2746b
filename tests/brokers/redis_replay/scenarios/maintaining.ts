import { Message, MessageProxy } from "@dq/dramatiq";
import { type ScenarioStep, scenarioStep, type ScenarioSteps } from "../scenario_step.ts";
import { type Fixture, shown } from "../fixture.ts";

/**
 * Heartbeats, and what happens to the messages of those that have none. In Python a
 * recovery rides on the commands of broker B; here it is asked for first.
 */
export const MAINTAINING: Readonly<Record<string, ScenarioSteps>> = {
  "maintenance-dead-worker": (fixture) => {
    const a = fixture.reader("goldq", 1, "A");
    const b = fixture.reader("goldq", 1, "B");
    let ofA: MessageProxy;
    let ofB: MessageProxy;
    const recoverAndFetch = async () => {
      await fixture.recover("B");
      return shown(ofB = await b.next());
    };
    return [
      scenarioStep("(A has enqueued three)", (keys) => fixture.write(keys)),
      scenarioStep("A fetches one", async () => shown(ofA = await a.next()), { by: "A" }),
      scenarioStep("B fetches 59 s later", recoverAndFetch, { by: "B" }),
      scenarioStep("B acks", () => b.ack(ofB), { by: "B" }),
      scenarioStep("B fetches at exactly 60 s", recoverAndFetch, { by: "B" }),
      scenarioStep("A acks late", () => a.ack(ofA), { by: "A" }),
    ];
  },

  "maintenance-two-queues": (fixture) => [
    scenarioStep(
      "(A holds one message of goldq, goldother and goldq.DQ)",
      (keys) => fixture.write(keys),
    ),
    recoverAndCount("B qsize goldother", fixture, "goldother"),
    recoverAndCount("B qsize goldq", fixture, "goldq"),
    recoverAndCount("B qsize goldq.DQ", fixture, "goldq.DQ"),
  ],

  "maintenance-many": (fixture) => [
    scenarioStep(
      "(A holds three; the data of the second was removed by hand)",
      (keys) => fixture.write(keys),
    ),
    recoverAndCount("B qsize", fixture),
  ],

  "maintenance-custom-heartbeat": (fixture) => [
    scenarioStep("(A holds one)", (keys) => fixture.write(keys)),
    recoverAndCount("B qsize after 1 s", fixture),
    recoverAndCount("B qsize after 2 s", fixture),
  ],

  "maintenance-own-acks": async (fixture) => {
    const reader = fixture.reader("goldq", 2);
    await fixture.enqueue({ args: [1] });
    await reader.next();
    return [
      scenarioStep("A fetches after an hour of silence", async () => {
        await fixture.recover("A");
        return await reader.findNone();
      }),
    ];
  },

  "dead-letter-expiry": (fixture) => [
    scenarioStep("(three dead letters, one second apart)", (keys) => fixture.write(keys)),
    recoverAndCount("B qsize 1 s before 7 days", fixture),
    recoverAndCount("B qsize at exactly 7 days", fixture),
    recoverAndCount("B qsize later, on goldq.DQ", fixture, "goldq.DQ"),
  ],

  "dead-letter-expiry-custom": (fixture) => [
    scenarioStep("(one dead letter)", (keys) => fixture.write(keys)),
    recoverAndCount("qsize after 4 s", fixture, "goldq", "A"),
    recoverAndCount("qsize after 5 s", fixture, "goldq", "A"),
  ],

  "heartbeats": (fixture) => {
    const a = fixture.reader("goldq", 3, "A");
    const b = fixture.reader("goldq", 3, "B");
    const strange = new MessageProxy(
      new Message({ queueName: "goldq", actorName: "work", args: [] }),
    );
    return [
      scenarioStep("A qsize", () => fixture.count("goldq", "A"), { by: "A" }),
      scenarioStep("B qsize", () => fixture.count("goldq", "B"), { by: "B" }),
      scenarioStep("A enqueue", () => fixture.enqueue({ args: [1] }, "A"), { by: "A" }),
      scenarioStep("B ack of an unknown id", () => b.consumer.ack([strange]), { by: "B" }),
      scenarioStep("A nack of an unknown id", () => a.consumer.nack([strange]), { by: "A" }),
      scenarioStep("A purge", () => fixture.brokerOf("A").flush("goldq"), { by: "A" }),
      scenarioStep("A requeue of an unknown id", () => a.consumer.requeue([strange]), { by: "A" }),
      scenarioStep(
        "A fetch on empty",
        async () => [await a.findNone()].flatMap((one) => one ?? []),
        {
          by: "A",
        },
      ),
      scenarioStep("A unknown command", () => {}), // there is no way to give one
    ];
  },

  "qsize": (fixture) => {
    const reader = fixture.reader("goldq", 1, "A");
    let taken: MessageProxy;
    return [
      scenarioStep("empty", () => fixture.count("goldq", "A")),
      scenarioStep("two queued", async () => {
        await fixture.enqueue({ args: [1] });
        await fixture.enqueue({ args: [2] });
        return await fixture.count("goldq", "A");
      }),
      scenarioStep("and one delayed", async () => {
        await fixture.enqueue({ args: [3], delay: 60_000 });
        return await fixture.count("goldq", "A");
      }),
      scenarioStep("asked with the delay queue's name", () => fixture.count("goldq.DQ", "A")),
      scenarioStep("one of them unacked by A, asked by A", async () => {
        taken = await reader.next();
        return await fixture.count("goldq", "A");
      }),
      scenarioStep("one of them unacked by A, asked by B", () => fixture.count("goldq", "B")),
      scenarioStep("after nack, dead letters do not count", async () => {
        await reader.nack(taken);
        return await fixture.count("goldq", "A");
      }),
    ];
  },
};

function recoverAndCount(
  step: string,
  fixture: Fixture,
  queueName = "goldq",
  by = "B",
): ScenarioStep {
  const run = async () => {
    await fixture.recover(by);
    return await fixture.count(queueName, by);
  };
  return scenarioStep(step, run, { by });
}
