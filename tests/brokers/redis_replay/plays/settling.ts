import { type MessageProxy, UndecodableMessage } from "@dq/dramatiq";
import { play, type Plays } from "../play.ts";
import { shown } from "../stage.ts";

/** What becomes of messages that were fetched. */
export const SETTLING: Readonly<Record<string, Plays>> = {
  "nack": (stage) => {
    const reader = stage.reader("goldq", 1);
    const delayed = stage.reader("goldq.DQ", 1);
    let taken: MessageProxy;
    return [
      play("(one fetched from goldq, one from goldq.DQ)", async (keys) => {
        await stage.writeUnfetched(keys);
        taken = await reader.next();
        await delayed.findNone();
      }, { isAwaited: true }),
      play("nack on goldq", () => reader.nack(taken)),
      play("nack on goldq.DQ", async () => {
        await stage.moveClock(undefined, "<ts+60000>"); // sooner nobody gets it
        await delayed.nack(await delayed.next());
      }),
      play("nack again", () => reader.consumer.nack([taken])),
      play("ack after nack", () => reader.consumer.ack([taken])),
    ];
  },

  "requeue": (stage) => {
    const reader = stage.reader("goldq", 3);
    let taken: MessageProxy[];
    return [
      play("(four enqueued, three fetched)", async (keys) => {
        await stage.writeUnfetched(keys);
        taken = await reader.fetch(3);
      }),
      play("requeue two", () => reader.requeue(...taken.slice(0, 2))),
      play("requeue again", () => reader.consumer.requeue(taken.slice(0, 2))),
      play("requeue none", () => reader.requeue()),
      play("ack a requeued message", () => reader.consumer.ack(taken.slice(0, 1))),
    ];
  },

  "requeue-deleted-message": (stage) => {
    const reader = stage.reader("goldq", 1);
    let taken: MessageProxy;
    return [
      play("(fetched; data removed from the hash by hand)", async (keys) => {
        await stage.enqueue({ args: [1] });
        taken = await reader.next();
        await stage.read(); // finds out its ids
        await stage.write(keys);
      }),
      play("requeue", () => reader.requeue(taken)),
    ];
  },

  "fetch-id-without-data": (stage) => [
    play("(two enqueued; data of the first removed by hand)", (keys) => stage.write(keys)),
    play("next(consumer)", async () => shown(await stage.reader("goldq", 2).next())),
  ],

  "flush": (stage) => {
    const [a, b] = [stage.brokerOf("A"), stage.brokerOf("B")];
    for (const queueName of ["goldq", "goldother"]) a.declareQueue(queueName);
    b.declareQueue("goldq");
    return [
      play(
        "(goldq: 1 queued, 1 unacked by A, 1 unacked by B, 1 dead; goldq.DQ: 1 queued, " +
          "1 unacked by A; goldother: 1 queued)",
        (keys) => stage.write(keys),
      ),
      play("A.flush", () => a.flush("goldq")),
      play("A.flush_all", () => a.flushAll()),
    ];
  },

  "undecodable": (stage) => {
    const reader = stage.reader("goldq", 2);
    return [
      play("(one bad, one good enqueued)", (keys) => stage.write(keys)),
      play("next(consumer)", async () => {
        const { message } = await reader.next();
        return message instanceof UndecodableMessage ? message.error.name : shown(message);
      }),
      play(
        "next(consumer) on the same consumer",
        async () => (await reader.next()).message.args[0],
      ),
    ];
  },
};
