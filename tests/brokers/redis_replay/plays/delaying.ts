import { type MessageProxy } from "@dq/dramatiq";
import { play, type Plays } from "../play.ts";
import { shown, type Stage } from "../stage.ts";

/** Delayed messages, through a worker. */
export const DELAYING: Readonly<Record<string, Plays>> = {
  "delay": (stage) => {
    stage.declare("work");
    const main = stage.workOn("goldq");
    const delayed = stage.workOn("goldq.DQ");
    return [
      play("send_with_options delay=5000", () => stage.enqueue({ args: [1], delay: 5_000 })),
      play("main queue consumer: next", () => main.findNone()),
      play("delay queue consumer: receive", () => delayed.open(), { isAwaited: true }),
      play("handle_delayed_messages 1 s early", () => delayed.open()),
      play("handle_delayed_messages at eta", () => delayed.open(), { isAwaited: true }),
      play("main queue consumer: receive", () => main.receive()),
      play("process", () => main.process()),
    ];
  },

  "delay-order": (stage) => {
    stage.declare("work");
    const delayed = stage.workOn("goldq.DQ");
    return [
      play("(four enqueued with delays 5000, 2000, 3000, 2000)", (keys) => stage.write(keys)),
      play("(all received)", () => delayed.open(), { isAwaited: true }),
      play("handle_delayed_messages at 2 s", () => delayed.open(), { isAwaited: true }),
      play("handle_delayed_messages at 10 s", () => delayed.open(), { isAwaited: true }),
    ];
  },

  "eta-odd": etaOdd,

  "delay-unknown-actor": (stage) => {
    stage.broker.declareQueue("goldq");
    const main = stage.workOn("goldq");
    const delayed = stage.workOn("goldq.DQ");
    return [
      play("delay queue: receive", async () => {
        await stage.enqueue({ actorName: "nobody", args: [1], delay: 1_000 });
        await delayed.open();
      }, { isAwaited: true }),
      play("handle_delayed_messages", () => delayed.open(), { isAwaited: true }),
      play("main queue: receive", () => main.refuse()),
    ];
  },

  "unknown-actor": (stage) => {
    stage.broker.declareQueue("goldq");
    const main = stage.workOn("goldq");
    return [
      play("(enqueued)", (keys) => stage.write(keys)),
      play("receive", () => main.refuse()),
    ];
  },
};

