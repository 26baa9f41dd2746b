import { scenarioStep, type ScenarioSteps } from "../scenario_step.ts";

/** Declaring queues, and counting what they hold. */
export const DECLARING: Readonly<Record<string, ScenarioSteps>> = {
  "declare-lazy": (fixture) => {
    const { broker } = fixture;
    return [
      scenarioStep("declare_queue", () => broker.declareQueue("goldq")),
      scenarioStep("get_declared_queues", () => [...broker.queues]),
      scenarioStep("get_declared_delay_queues", () => [...fixture.delayQueues]),
      scenarioStep("declare_queue ensure=True", () => fixture.ensure()),
      scenarioStep("declare_queue ensure=True again", () => fixture.ensure()),
      scenarioStep(
        "declare_queue of the delay queue's name",
        () => broker.declareQueue("goldq.DQ"),
      ),
    ];
  },

  "declare-on-enqueue": (fixture) => [
    scenarioStep("enqueue", () => fixture.enqueue({ args: [1] })),
    scenarioStep("enqueue again", () => fixture.enqueue({ args: [1] })),
    scenarioStep("get_queue_message_counts", async () => {
      const { ready, delayed, dead } = await fixture.broker.getQueueMessageCounts("goldq");
      return [ready, delayed, dead];
    }),
  ],

  "declare-max-priority-10": (fixture) => [
    scenarioStep("declare_queue ensure=True", () => fixture.ensure()),
  ],

  "declare-max-priority-255": (fixture) => [
    scenarioStep("declare_queue ensure=True", () => fixture.ensure()),
  ],

  "declare-conflict": async (fixture) => {
    await fixture.ensure("plain");
    return [
      scenarioStep(
        "enqueue on a broker with max_priority=10",
        () => fixture.enqueue({ args: [1] }, "prio"),
      ),
    ];
  },

  "dead-message-ttl-env": (fixture) => {
    const { worker } = fixture;
    return [
      scenarioStep("declare_queue ensure=True", () => fixture.ensure()),
      scenarioStep("(a message for an unknown actor is received: rejected)", async () => {
        await fixture.enqueue({ actorName: "nobody", args: [1] });
        fixture.broker.declareQueue("goldq");
        await worker.start(fixture.broker);
        return fixture.shown(await worker.refuse("goldq"));
      }),
      scenarioStep("dead letter present"),
      scenarioStep("2.5 s later"),
    ];
  },
};
