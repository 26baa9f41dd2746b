import { until } from "../../../support/servers/until.ts";
import { get, play, type Plays } from "../play.ts";

/** A worker that is left to itself. */
export const LIVE: Readonly<Record<string, Plays>> = {
  "live-worker": (stage) => {
    const ran: number[] = [];
    stage.declare("work", (n: number) => void ran.push(n));
    return [
      play("rabbitmqctl list_consumers", () => stage.worker.startFreely(stage.broker, 8)),
      play("after 20 messages", async () => {
        for (let n = 0; n < 20; n++) await stage.enqueue({ args: [n] });
        await until(() => Promise.resolve(ran.length === 20), { what: "run 20 messages" });
      }),
      play("consumers after worker.stop()", () => stage.worker.stop()),
    ];
  },

  "live-shutdown": async (stage) => {
    const finish = Promise.withResolvers<void>();
    stage.declare("slow", () => finish.promise);
    for (const arg of [0, 1, 2, 3]) await stage.enqueue({ actorName: "slow", args: [arg] });
    await stage.enqueue({ actorName: "slow", args: ["delayed"], delay: 3_600_000 });
    return [
      play("one running", () => stage.worker.startFreely(stage.broker)),
      play("after worker.stop()", async () => {
        const stopped = stage.worker.stop();
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
