import { type MessageProxy, pipeline, Retry } from "@dq/dramatiq";
import { scenarioStep, type ScenarioSteps } from "../scenario_step.ts";
import { shown } from "../fixture.ts";

/** Actors that fail, pass on their result, or come too late. */
export const WORKING: Readonly<Record<string, ScenarioSteps>> = {
  "retry-stepped": (fixture) => {
    const { worker } = fixture;
    let taken: MessageProxy;
    const fail = () => {
      throw new Retry("no", { delay: 1_000 }); // the jitter of a backoff cannot be pinned
    };
    return [
      scenarioStep("send", async () => {
        fixture.declare("fail", fail, { maxRetries: 1 });
        await fixture.startWorker();
        return await fixture.enqueue({ actorName: "fail", args: [1] });
      }),
      scenarioStep("receive", async () => shown(taken = await worker.receive("goldq"))),
      scenarioStep("process: fails", () => worker.process(taken)),
      scenarioStep("delay queue: receive", () => worker.open("goldq.DQ"), { isAwaited: true }),
      scenarioStep("delay queue: handle_delayed_messages", () => {}, { isAwaited: true }),
      scenarioStep("receive", async () => shown(taken = await worker.receive("goldq"))),
      scenarioStep("process: fails again", () => worker.process(taken)),
    ];
  },

  "retry-exception-delay": (fixture) => {
    const { worker } = fixture;
    let taken: MessageProxy;
    const again = () => {
      throw new Retry("later", { delay: 7_000 });
    };
    return [
      scenarioStep("send", async () => {
        fixture.declare("again", again);
        await fixture.startWorker();
        return await fixture.enqueue({ actorName: "again" });
      }),
      scenarioStep("receive", async () => shown(taken = await worker.receive("goldq"))),
      scenarioStep("process", () => worker.process(taken)),
    ];
  },

  "pipeline": (fixture) => {
    const { worker, broker } = fixture;
    let taken: MessageProxy;
    return [
      scenarioStep("run", async () => {
        fixture.declare("first", (got: number) => ({ got }));
        fixture.declare("second", () => {}, { queueName: "goldother" });
        await fixture.startWorker();
        const first = fixture.message({ actorName: "first", args: [1] });
        const second = { queueName: "goldother", actorName: "second", args: [2] };
        await pipeline([first, fixture.message(second)], { broker }).run();
      }),
      scenarioStep("receive first", async () => shown(taken = await worker.receive("goldq"))),
      scenarioStep("process first", () => worker.process(taken)),
      scenarioStep("receive second", async () => shown(await worker.receive("goldother"))),
    ];
  },

  "age-limit": (fixture) => {
    const { worker } = fixture;
    let taken: MessageProxy;
    return [
      scenarioStep("send", async () => {
        fixture.declare("old", () => {}, { maxAge: 1_000 });
        await fixture.startWorker();
        return await fixture.enqueue({ actorName: "old" });
      }),
      scenarioStep("receive", async () => shown(taken = await worker.receive("goldq"))),
      scenarioStep("process at exactly max_age", () => worker.process(taken)),
    ];
  },
};
