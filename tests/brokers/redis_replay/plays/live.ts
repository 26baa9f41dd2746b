import { until } from "../../../support/servers/until.ts";
import { play, type Plays } from "../play.ts";

/** A worker that is left to itself. */
export const LIVE: Readonly<Record<string, Plays>> = {
  "live-retry": (stage) => {
    const flaky = () => {
      throw new Error("no");
    };
    stage.declare("flaky", flaky, { maxRetries: 2, minBackoff: 50, maxBackoff: 60 });
    stage.declare("fine", () => {});
    return [
      play("send one failing, one fine", async () => {
        await stage.enqueue({ actorName: "flaky", args: [1] });
        await stage.enqueue({ actorName: "fine", args: [2] });
        return ["flaky", "fine"];
      }),
      play(
        "after all retries (worker still running)",
        () => stage.worker.startFreely(stage.broker),
        { isAwaited: true },
      ),
      play("after worker.stop()", () => stage.worker.stop()),
    ];
  },

  "live-shutdown-requeue": (stage) => {
    const finish = Promise.withResolvers<void>();
    stage.declare("slow", () => finish.promise);
    const send = (arg: unknown, delay = {}) =>
      stage.enqueue({ actorName: "slow", args: [arg], ...delay });
    return [
      play("(four queued, one delayed by an hour)", async () => {
        for (const arg of [0, 1, 2, 3]) await send(arg);
        await send("delayed", { delay: 3_600_000 });
      }),
      play("one running, prefetch 2", () => stage.worker.startFreely(stage.broker), {
        isAwaited: true,
      }),
      play("after worker.stop()", async () => {
        const stopped = stage.worker.stop();
        finish.resolve();
        await stopped;
      }),
    ];
  },

  "live-undecodable": (stage) => {
    const got: unknown[] = [];
    stage.declare("note", (word: string) => void got.push(word));
    return [
      play("(queued: good, bad, good)", (keys) => stage.write(keys)),
      play("1.5 s later", async () => {
        await stage.worker.startFreely(stage.broker);
        return got; // which grows
      }, { isAwaited: true }),
      play("after worker.stop()", async () => {
        await stage.worker.stop();
        return got;
      }),
      play("maintenance by B", async () => {
        const isAlone = async () => {
          await stage.count("goldq", "B");
          await stage.sweep("B");
          return await stage.server.command("ZCARD", "dramatiq:__heartbeats__") === 1;
        };
        await until(isAlone, { what: "see A forgotten" });
      }),
    ];
  },
};
