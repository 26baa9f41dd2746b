import type { MessageProxy } from "@dq/dramatiq";
import { Buffer } from "node:buffer";
import { get, play, type Plays } from "../play.ts";

/** Consumers, and what becomes of what they took. */
export const CONSUMING: Readonly<Record<string, Plays>> = {
  "consume-ack": async (stage) => {
    for (const arg of [0, 1, 2]) await stage.enqueue({ args: [arg] });
    const reader = stage.reader("goldq", 2);
    const taken: MessageProxy[] = [];
    const next = async () => {
      taken.push(await reader.next());
      return stage.shown(taken.at(-1)!);
    };
    return [
      play("consume", () => "<_RabbitmqConsumer>"),
      play("next(consumer)", next),
      play("next(consumer)", next),
      play("next(consumer) with prefetch used up", () => reader.findNone()),
      play("ack", () => reader.ack(taken[0]!)),
      play("next(consumer)", next),
      play("ack again", () => reader.ack(taken[0]!)),
      play("requeue", () => reader.consumer.requeue([])),
      play("close", () => reader.consumer.close()),
      get("goldq"),
      get("goldq"),
    ];
  },

  "nack": async (stage) => {
    await stage.enqueue({ args: [1] });
    await stage.enqueue({ args: [2], delay: 60_000 });
    return [
      play("nack from goldq", async () => {
        const reader = stage.reader("goldq", 1);
        await reader.nack(await reader.next());
      }),
      get("goldq.XQ"),
      play("nack from goldq.DQ", async () => {
        await stage.clock.advance(60_000); // sooner nobody gets it
        const reader = stage.reader("goldq.DQ", 1);
        await reader.nack(await reader.next());
      }),
      get("goldq.XQ"),
    ];
  },

  "undecodable": async (stage) => {
    await stage.ensure();
    stage.theatre.channel.sendToQueue("goldq", Buffer.from("not json"), { persistent: true });
    await stage.rest();
    await stage.enqueue({ args: ["good"] });
    const reader = stage.reader("goldq", 2);
    return [
      play("next(consumer)", async () => stage.shown(await reader.next())),
      play("next(consumer)", () => reader.findNone()),
      get("goldq.XQ"),
    ];
  },

  "consumed-queue-deleted": async (stage) => {
    const reader = stage.reader("goldq", 1);
    await reader.findNone();
    return [
      play("next(consumer)", async () => {
        const next = reader.next();
        next.catch(() => {}); // It may fail before it is asked.
        await stage.theatre.channel.deleteQueue("goldq");
        return await next;
      }),
      play("declared as pending again", async () => {
        stage.begin();
        await stage.ensure();
        const { amqp_calls = [] } = await stage.observe({ amqp_calls: [] });
        stage.begin();
        return amqp_calls.map(({ args }) => args!["queue"]).filter((name) => name === "goldq");
      }),
    ];
  },

  "flush": async (stage) => {
    const reader = stage.reader("goldq", 1);
    for (const arg of [0, 1, 2, 3]) await stage.enqueue({ args: [arg] });
    await stage.enqueue({ args: ["late"], delay: 60_000 });
    return [
      play("(several in each state)", async () => {
        await reader.nack(await reader.next());
        await reader.next();
      }),
      play("flush", () => stage.broker.flush("goldq")),
      play("flush of a queue that does not exist", () => stage.broker.flush("goldother")),
    ];
  },
};
