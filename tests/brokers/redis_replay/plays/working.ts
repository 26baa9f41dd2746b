import { type MessageProxy, pipeline, Retry } from "@dq/dramatiq";
import { play, type Plays } from "../play.ts";
import { shown } from "../stage.ts";

/** Actors that fail, pass on their result, or come too late. */
export const WORKING: Readonly<Record<string, Plays>> = {
  "retry-stepped": (stage) => {
    const { worker } = stage;
    let taken: MessageProxy;
    const fail = () => {
      throw new Retry("no", { delay: 1_000 }); // the jitter of a backoff cannot be pinned
    };
    return [
      play("send", async () => {
        stage.declare("fail", fail, { maxRetries: 1 });
        await stage.startWorker();
        return await stage.enqueue({ actorName: "fail", args: [1] });
      }),
      play("receive", async () => shown(taken = await worker.receive("goldq"))),
      play("process: fails", () => worker.process(taken)),
      play("delay queue: receive", () => worker.open("goldq.DQ"), { isAwaited: true }),
      play("delay queue: handle_delayed_messages", () => {}, { isAwaited: true }),
      play("receive", async () => shown(taken = await worker.receive("goldq"))),
      play("process: fails again", () => worker.process(taken)),
    ];
  },

  "retry-exception-delay": (stage) => {
    const { worker } = stage;
    let taken: MessageProxy;
    const again = () => {
      throw new Retry("later", { delay: 7_000 });
    };
    return [
      play("send", async () => {
        stage.declare("again", again);
        await stage.startWorker();
        return await stage.enqueue({ actorName: "again" });
      }),
      play("receive", async () => shown(taken = await worker.receive("goldq"))),
      play("process", () => worker.process(taken)),
    ];
  },

  "pipeline": (stage) => {
    const { worker, broker } = stage;
    let taken: MessageProxy;
    return [
      play("run", async () => {
        stage.declare("first", (got: number) => ({ got }));
        stage.declare("second", () => {}, { queueName: "goldother" });
        await stage.startWorker();
        const first = stage.message({ actorName: "first", args: [1] });
        const second = { queueName: "goldother", actorName: "second", args: [2] };
        await pipeline([first, stage.message(second)], { broker }).run();
      }),
      play("receive first", async () => shown(taken = await worker.receive("goldq"))),
      play("process first", () => worker.process(taken)),
      play("receive second", async () => shown(await worker.receive("goldother"))),
    ];
  },

  "age-limit": (stage) => {
    const { worker } = stage;
    let taken: MessageProxy;
    return [
      play("send", async () => {
        stage.declare("old", () => {}, { maxAge: 1_000 });
        await stage.startWorker();
        return await stage.enqueue({ actorName: "old" });
      }),
      play("receive", async () => shown(taken = await worker.receive("goldq"))),
      play("process at exactly max_age", () => worker.process(taken)),
    ];
  },
};
