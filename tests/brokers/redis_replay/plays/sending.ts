import { assertEquals } from "@std/assert";
import type { Message, MessageProxy } from "@dq/dramatiq";
import { play, type Plays } from "../play.ts";
import { shown, type Stage } from "../stage.ts";

/** Declaring, sending and fetching. */
export const SENDING: Readonly<Record<string, Plays>> = {
  "declare": ({ broker }) => {
    const delayQueues: string[] = [];
    broker.addMiddleware({
      afterDeclareDelayQueue: (_broker, queueName) => void delayQueues.push(queueName),
    });
    return [
      play("declare_queue", () => broker.declareQueue("goldq")),
      play("get_declared_queues", () => [...broker.queues]),
      play("get_declared_delay_queues", () => delayQueues),
    ];
  },

  "enqueue-fetch-ack": (stage) => {
    const reader = stage.reader("goldq", 2);
    const taken: MessageProxy[] = [];
    const next = async () => {
      taken.push(await reader.next());
      return shown(taken.at(-1)!);
    };
    return [
      play("enqueue", () => stage.enqueue({ args: [0] })),
      play("enqueue", () => stage.enqueue({ args: [1] })),
      play("enqueue", () => stage.enqueue({ args: [2] })),
      play("next(consumer)", next),
      play("next(consumer)", next),
      play("next(consumer)", () => reader.findNone()),
      play("ack", () => reader.ack(taken[0]!)),
      play("next(consumer)", next),
      play("ack", () => reader.ack(taken[1]!)),
      play("ack", () => reader.ack(taken[2]!)),
      play("ack again", () => reader.consumer.ack([taken[2]!])),
      play("next(consumer) on empty queue", () => reader.findNone()),
    ];
  },

  "fetch-prefetch-4": (stage) => {
    const reader = stage.reader("goldq", 4);
    return [
      play("(three enqueued)", (keys) => stage.write(keys)),
      play("next(consumer)", async () => shown(await reader.next())),
      play("next(consumer) x2", async () => {
        const messages = [await reader.next(), await reader.next()];
        return messages.map(({ message }) => message.args[0]);
      }),
      play("next(consumer)", () => reader.findNone()),
    ];
  },

  "enqueue-details": enqueueDetails,

  "namespace": (stage) => {
    const reader = stage.reader("goldq", 1);
    let taken: MessageProxy;
    return [
      play("enqueue", () => stage.enqueue({ args: [1] })),
      play("enqueue with delay", () => stage.enqueue({ args: [1], delay: 5_000 })),
      play("next(consumer)", async () => shown(taken = await reader.next())),
      play("nack", () => reader.nack(taken)),
    ];
  },
};

function enqueueDetails(stage: Stage) {
  const { broker } = stage;
  let sent: Message;
  let queued: Message;
  return [
    play("enqueue", async () => {
      sent = stage.message({ args: [1], options: { tenant: "a" } });
      return shown(queued = await broker.enqueue(sent));
    }),
    play("the caller's message object is not changed", () => Object.keys(sent.options)),
    play("enqueue the returned copy", async () => {
      const again = await broker.enqueue(queued);
      assertEquals(again.messageId, queued.messageId);
      return shown(again);
    }),
    play("enqueue delay=0", () => stage.enqueue({ args: [2], delay: 0 })),
    play(
      "enqueue to goldq.DQ without delay",
      () => stage.enqueue({ queueName: "goldq.DQ", args: [3] }),
    ),
    play(
      "enqueue to goldq.DQ with delay",
      () => stage.enqueue({ queueName: "goldq.DQ", args: [4], delay: 1_000 }),
    ),
    play(
      "enqueue to goldq.XQ with delay",
      () => stage.enqueue({ queueName: "goldq.XQ", args: [5], delay: 1_000 }),
    ),
    play("enqueue unicode", () => stage.enqueue({ args: ["zażółć 😀"] })),
    play(
      "enqueue to a queue never declared",
      () => stage.enqueue({ queueName: "goldundeclared", args: [1] }),
    ),
  ];
}
