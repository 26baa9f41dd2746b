import { until } from "../../../support/servers/until.ts";
import { scenarioStep, type ScenarioSteps } from "../scenario_step.ts";

/** A worker that is left to itself. */
export const LIVE: Readonly<Record<string, ScenarioSteps>> = {
  "live-retry": (fixture) => {
    const flaky = () => {
      throw new Error("no");
    };
    fixture.declare("flaky", flaky, { maxRetries: 2, minBackoff: 50, maxBackoff: 60 });
    fixture.declare("fine", () => {});
    return [
      scenarioStep("send one failing, one fine", async () => {
        await fixture.enqueue({ actorName: "flaky", args: [1] });
        await fixture.enqueue({ actorName: "fine", args: [2] });
        return ["flaky", "fine"];
      }),
      scenarioStep(
        "after all retries (worker still running)",
        () => fixture.worker.startFreely(fixture.broker),
        { isAwaited: true },
      ),
      scenarioStep("after worker.stop()", () => fixture.worker.stop()),
    ];
  },

  "live-shutdown-requeue": (fixture) => {
    const finish = Promise.withResolvers<void>();
    fixture.declare("slow", () => finish.promise);
    const send = (arg: unknown, delay = {}) =>
      fixture.enqueue({ actorName: "slow", args: [arg], ...delay });
    return [
      scenarioStep("(four queued, one delayed by an hour)", async () => {
        for (const arg of [0, 1, 2, 3]) await send(arg);
        await send("delayed", { delay: 3_600_000 });
      }),
      scenarioStep("one running, prefetch 2", () => fixture.worker.startFreely(fixture.broker), {
        isAwaited: true,
      }),
      scenarioStep("after worker.stop()", async () => {
        const stopped = fixture.worker.stop();
        finish.resolve();
        await stopped;
      }),
    ];
  },

  "live-undecodable": (fixture) => {
    const got: unknown[] = [];
    fixture.declare("note", (word: string) => void got.push(word));
    return [
      scenarioStep("(queued: good, bad, good)", (keys) => fixture.write(keys)),
      scenarioStep("1.5 s later", async () => {
        await fixture.worker.startFreely(fixture.broker);
        return got; // which grows
      }, { isAwaited: true }),
      scenarioStep("after worker.stop()", async () => {
        await fixture.worker.stop();
        return got;
      }),
      scenarioStep("maintenance by B", async () => {
        const isAlone = async () => {
          await fixture.count("goldq", "B");
          await fixture.recover("B");
          return await fixture.server.command("ZCARD", "dramatiq:__heartbeats__") === 1;
        };
        await until(isAlone, { what: "see A forgotten" });
      }),
    ];
  },
};
