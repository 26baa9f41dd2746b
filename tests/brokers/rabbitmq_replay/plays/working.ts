import { type MessageProxy, Retry } from "@dq/dramatiq";
import { get, play, type Plays } from "../play.ts";

/** Messages that are delayed, fail, or find no actor. */
export const WORKING: Readonly<Record<string, Plays>> = {
  "delay-stepped": async (stage) => {
    const { worker } = stage;
    stage.declare("work", () => {});
    await worker.start(stage.broker);
    return [
      play(
        "send_with_options",
        () => stage.enqueue({ args: [1], options: { brokerPriority: 4 }, delay: 5_000 }),
      ),
      play("delay queue: receive", async () => {
        worker.open("goldq.DQ");
        await stage.untilHeld("goldq.DQ", 1);
      }),
      play("handle_delayed_messages 1 s early", () => stage.clock.advance(4_000)),
      play("handle_delayed_messages at eta", () => stage.clock.advance(1_000)),
      get("goldq"),
    ];
  },

  "retry-stepped": async (stage) => {
    const { worker } = stage;
    let taken: MessageProxy;
    const fail = () => {
      throw new Retry("no", { delay: 1_000 }); // the jitter of a backoff cannot be pinned
    };
    stage.declare("fail", fail, { maxRetries: 1 });
    await worker.start(stage.broker);
    const receive = async () => stage.shown(taken = await worker.receive("goldq"));
    return [
      play(
        "send_with_options",
        () => stage.enqueue({ actorName: "fail", args: [1], options: { brokerPriority: 3 } }),
      ),
      play("receive", receive),
      play("process: fails", () => worker.process(taken)),
      play("delay queue: receive", async () => {
        worker.open("goldq.DQ");
        await stage.untilHeld("goldq.DQ", 1);
      }),
      play("handle_delayed_messages", () => stage.clock.advance(1_000)),
      play("receive", receive),
      play("process: fails again", () => worker.process(taken)),
      get("goldq.XQ"),
    ];
  },

  "unknown-actor": async (stage) => {
    await stage.enqueue({ actorName: "nobody", args: [1] });
    stage.broker.declareQueue("goldq");
    await stage.worker.start(stage.broker);
    return [
      play("receive", async () => stage.shown(await stage.worker.refuse("goldq"))),
      get("goldq.XQ"),
    ];
  },
};
