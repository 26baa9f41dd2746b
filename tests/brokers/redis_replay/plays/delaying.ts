import type { MessageProxy } from "@dq/dramatiq";
import { play, type Plays } from "../play.ts";
import { shown, type Stage } from "../stage.ts";

/** Delayed messages, through a worker. */
export const DELAYING: Readonly<Record<string, Plays>> = {
  "delay": (stage) => {
    const { worker } = stage;
    stage.declare("work", () => {});
    let taken: MessageProxy;
    return [
      play("send_with_options delay=5000", async () => {
        await stage.startWorker();
        return await stage.enqueue({ args: [1], delay: 5_000 });
      }),
      play("main queue consumer: next", () => stage.findNone("goldq")),
      play("delay queue consumer: receive", () => worker.open("goldq.DQ"), { isAwaited: true }),
      play("handle_delayed_messages 1 s early", () => {}),
      play("handle_delayed_messages at eta", () => {}, { isAwaited: true }),
      play(
        "main queue consumer: receive",
        async () => shown(taken = await worker.receive("goldq")),
      ),
      play("process", () => worker.process(taken)),
    ];
  },

  "delay-order": (stage) => {
    stage.declare("work", () => {});
    const open = () => stage.worker.open("goldq.DQ");
    return [
      play("(four enqueued with delays 5000, 2000, 3000, 2000)", async (keys) => {
        await stage.startWorker();
        await stage.write(keys);
      }),
      play("(all received)", open, { isAwaited: true }),
      play("handle_delayed_messages at 2 s", () => {}, { isAwaited: true }),
      play("handle_delayed_messages at 10 s", open, { isAwaited: true }),
    ];
  },

  "eta-odd": etaOdd,

  "delay-unknown-actor": (stage) => [
    play("delay queue: receive", async () => {
      await stage.startWorker();
      await stage.enqueue({ actorName: "nobody", args: [1], delay: 1_000 });
      stage.worker.open("goldq.DQ");
    }, { isAwaited: true }),
    play("handle_delayed_messages", () => {}, { isAwaited: true }),
    play("main queue: receive", async () => shown(await stage.worker.refuse("goldq"))),
  ],

  "unknown-actor": (stage) => [
    play("(enqueued)", async (keys) => {
      await stage.startWorker();
      await stage.write(keys);
    }),
    play("receive", async () => shown(await stage.worker.refuse("goldq"))),
  ],
};

function etaOdd(stage: Stage) {
  const { worker } = stage;
  stage.declare("work", () => {});
  const counts = async () => {
    const dump = await stage.read();
    const etas = dump["dramatiq:goldq.DQ.etas"];
    return [worker.held, etas?.type === "zset" ? etas.value.length : 0];
  };
  return [
    play("(five enqueued)", async (keys) => {
      await stage.startWorker(5);
      await stage.write(keys);
    }),
    play("receive: eta on main queue", () => worker.open("goldq"), { isAwaited: true }),
    play("receive: eta null", async () => shown(await worker.received())),
    play("receive: eta text", async () => shown(await worker.received())),
    play("receive: eta float", () => {}),
    play("in the work queue / in the delay queue", counts),
    play("receive: no eta on delay queue", () => worker.open("goldq.DQ"), { isAwaited: true }),
    play("work queue / delay queue", counts),
    play("handle_delayed_messages at 1 s", () => stage.findNone("goldq.DQ")),
    play("handle_delayed_messages at 2 s", () => worker.open("goldq.DQ"), { isAwaited: true }),
  ];
}
