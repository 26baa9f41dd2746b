import { until } from "../../../support/servers/until.ts";
import { get, scenarioStep, type ScenarioSteps } from "../scenario_step.ts";

/** A worker that is left to itself. */
export const LIVE: Readonly<Record<string, ScenarioSteps>> = {
  "live-worker": (fixture) => {
    const ran: number[] = [];
    fixture.declare("work", (n: number) => void ran.push(n));
    return [
      scenarioStep(
        "rabbitmqctl list_consumers",
        () => fixture.worker.startFreely(fixture.broker, 8),
      ),
      scenarioStep("after 20 messages", async () => {
        for (let n = 0; n < 20; n++) await fixture.enqueue({ args: [n] });
        await until(() => Promise.resolve(ran.length === 20), { what: "run 20 messages" });
      }),
      scenarioStep("consumers after worker.stop()", () => fixture.worker.stop()),
    ];
  },

  "live-shutdown": async (fixture) => {
    const finish = Promise.withResolvers<void>();
    fixture.declare("slow", () => finish.promise);
    for (const arg of [0, 1, 2, 3]) await fixture.enqueue({ actorName: "slow", args: [arg] });
    await fixture.enqueue({ actorName: "slow", args: ["delayed"], delay: 3_600_000 });
    return [
      scenarioStep("one running", () => fixture.worker.startFreely(fixture.broker)),
      scenarioStep("after worker.stop()", async () => {
        const stopped = fixture.worker.stop();
        finish.resolve();
        await stopped;
      }),
      get("goldq"),
      get("goldq"),
      get("goldq"),
      get("goldq.DQ"),
    ];
  },
};
