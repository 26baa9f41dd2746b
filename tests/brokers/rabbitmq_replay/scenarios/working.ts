import { type MessageProxy, Retry } from "@dq/dramatiq";
import { get, scenarioStep, type ScenarioSteps } from "../scenario_step.ts";

/** Messages that are delayed, fail, or find no actor. */
export const WORKING: Readonly<Record<string, ScenarioSteps>> = {
  "delay-stepped": async (fixture) => {
    const { worker } = fixture;
    fixture.declare("work", () => {});
    await worker.start(fixture.broker);
    return [
      scenarioStep(
        "send_with_options",
        () => fixture.enqueue({ args: [1], options: { brokerPriority: 4 }, delay: 5_000 }),
      ),
      scenarioStep("delay queue: receive", async () => {
        worker.open("goldq.DQ");
        await fixture.untilHeld("goldq.DQ", 1);
      }),
      scenarioStep("handle_delayed_messages 1 s early", () => fixture.clock.advance(4_000)),
      scenarioStep("handle_delayed_messages at eta", () => fixture.clock.advance(1_000)),
      get("goldq"),
    ];
  },

  "retry-stepped": async (fixture) => {
    const { worker } = fixture;
    let taken: MessageProxy;
    const fail = () => {
      throw new Retry("no", { delay: 1_000 }); // the jitter of a backoff cannot be pinned
    };
    fixture.declare("fail", fail, { maxRetries: 1 });
    await worker.start(fixture.broker);
    const receive = async () => fixture.shown(taken = await worker.receive("goldq"));
    return [
      scenarioStep(
        "send_with_options",
        () => fixture.enqueue({ actorName: "fail", args: [1], options: { brokerPriority: 3 } }),
      ),
      scenarioStep("receive", receive),
      scenarioStep("process: fails", () => worker.process(taken)),
      scenarioStep("delay queue: receive", async () => {
        worker.open("goldq.DQ");
        await fixture.untilHeld("goldq.DQ", 1);
      }),
      scenarioStep("handle_delayed_messages", () => fixture.clock.advance(1_000)),
      scenarioStep("receive", receive),
      scenarioStep("process: fails again", () => worker.process(taken)),
      get("goldq.XQ"),
    ];
  },

  "unknown-actor": async (fixture) => {
    await fixture.enqueue({ actorName: "nobody", args: [1] });
    fixture.broker.declareQueue("goldq");
    await fixture.worker.start(fixture.broker);
    return [
      scenarioStep("receive", async () => fixture.shown(await fixture.worker.refuse("goldq"))),
      get("goldq.XQ"),
    ];
  },
};
