import { Message, MessageProxy } from "@dq/dramatiq";
import { type Play, play, type Plays } from "../play.ts";
import { shown, type Stage } from "../stage.ts";

/**
 * Heartbeats, and what happens to the messages of those that have none. In Python a
 * sweep rides on the commands of broker B; here it is asked for first.
 */
export const MAINTAINING: Readonly<Record<string, Plays>> = {
  "maintenance-dead-worker": (stage) => {
    const a = stage.reader("goldq", 1, "A");
    const b = stage.reader("goldq", 1, "B");
    let ofA: MessageProxy;
    let ofB: MessageProxy;
    const sweepAndFetch = async () => {
      await stage.sweep("B");
      return shown(ofB = await b.next());
    };
    return [
      play("(A has enqueued three)", (keys) => stage.write(keys)),
      play("A fetches one", async () => shown(ofA = await a.next()), { by: "A" }),
      play("B fetches 59 s later", sweepAndFetch, { by: "B" }),
      play("B acks", () => b.ack(ofB), { by: "B" }),
      play("B fetches at exactly 60 s", sweepAndFetch, { by: "B" }),
      play("A acks late", () => a.ack(ofA), { by: "A" }),
    ];
  },

  "maintenance-two-queues": (stage) => [
    play("(A holds one message of goldq, goldother and goldq.DQ)", (keys) => stage.write(keys)),
    sweepAndCount("B qsize goldother", stage, "goldother"),
    sweepAndCount("B qsize goldq", stage, "goldq"),
    sweepAndCount("B qsize goldq.DQ", stage, "goldq.DQ"),
  ],

  "maintenance-many": (stage) => [
    play(
      "(A holds three; the data of the second was removed by hand)",
      (keys) => stage.write(keys),
    ),
    sweepAndCount("B qsize", stage),
  ],

  "maintenance-custom-heartbeat": (stage) => [
    play("(A holds one)", (keys) => stage.write(keys)),
    sweepAndCount("B qsize after 1 s", stage),
    sweepAndCount("B qsize after 2 s", stage),
  ],

  "maintenance-own-acks": async (stage) => {
    const reader = stage.reader("goldq", 2);
    await stage.enqueue({ args: [1] });
    await reader.next();
    return [
      play("A fetches after an hour of silence", async () => {
        await stage.sweep("A");
        return await reader.findNone();
      }),
    ];
  },

  "dead-letter-expiry": (stage) => [
    play("(three dead letters, one second apart)", (keys) => stage.write(keys)),
    sweepAndCount("B qsize 1 s before 7 days", stage),
    sweepAndCount("B qsize at exactly 7 days", stage),
    sweepAndCount("B qsize later, on goldq.DQ", stage, "goldq.DQ"),
  ],

  "dead-letter-expiry-custom": (stage) => [
    play("(one dead letter)", (keys) => stage.write(keys)),
    sweepAndCount("qsize after 4 s", stage, "goldq", "A"),
    sweepAndCount("qsize after 5 s", stage, "goldq", "A"),
  ],

  "heartbeats": (stage) => {
    const a = stage.reader("goldq", 3, "A");
    const b = stage.reader("goldq", 3, "B");
    const strange = new MessageProxy(
      new Message({ queueName: "goldq", actorName: "work", args: [] }),
    );
    return [
      play("A qsize", () => stage.count("goldq", "A"), { by: "A" }),
      play("B qsize", () => stage.count("goldq", "B"), { by: "B" }),
      play("A enqueue", () => stage.enqueue({ args: [1] }, "A"), { by: "A" }),
      play("B ack of an unknown id", () => b.consumer.ack([strange]), { by: "B" }),
      play("A nack of an unknown id", () => a.consumer.nack([strange]), { by: "A" }),
      play("A purge", () => stage.brokerOf("A").flush("goldq"), { by: "A" }),
      play("A requeue of an unknown id", () => a.consumer.requeue([strange]), { by: "A" }),
      play("A fetch on empty", async () => [await a.findNone()].flatMap((one) => one ?? []), {
        by: "A",
      }),
      play("A unknown command", () => {}), // there is no way to give one
    ];
  },

  "qsize": (stage) => {
    const reader = stage.reader("goldq", 1, "A");
    let taken: MessageProxy;
    return [
      play("empty", () => stage.count("goldq", "A")),
      play("two queued", async () => {
        await stage.enqueue({ args: [1] });
        await stage.enqueue({ args: [2] });
        return await stage.count("goldq", "A");
      }),
      play("and one delayed", async () => {
        await stage.enqueue({ args: [3], delay: 60_000 });
        return await stage.count("goldq", "A");
      }),
      play("asked with the delay queue's name", () => stage.count("goldq.DQ", "A")),
      play("one of them unacked by A, asked by A", async () => {
        taken = await reader.next();
        return await stage.count("goldq", "A");
      }),
      play("one of them unacked by A, asked by B", () => stage.count("goldq", "B")),
      play("after nack, dead letters do not count", async () => {
        await reader.nack(taken);
        return await stage.count("goldq", "A");
      }),
    ];
  },
};

function sweepAndCount(step: string, stage: Stage, queueName = "goldq", by = "B"): Play {
  const run = async () => {
    await stage.sweep(by);
    return await stage.count(queueName, by);
  };
  return play(step, run, { by });
}
