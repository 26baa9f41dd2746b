import { assertEquals } from "@std/assert";
import { actor, type ConsumeOptions, type Consumer, StubBroker, Worker } from "@dq/dramatiq";
import { toList } from "../../core/consumer.ts";
import { firstArgs, receiveCount } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** A broker that wants messages back which wait for a second, and counts what is asked of it. */
class WaitingBroker extends StubBroker {
  override readonly maxWait = 1_000;
  /** Number of messages each queue gave. */
  readonly given: Map<string, number> = new Map();
  requeued = 0;

  override consume(queueName: string, options?: ConsumeOptions): Consumer {
    const consumer = super.consume(queueName, options);
    const { receive, requeue } = consumer;
    consumer.receive = async (...args) => {
      const messages = await receive.apply(consumer, args);
      this.given.set(queueName, (this.given.get(queueName) ?? 0) + messages.length);
      return messages;
    };
    consumer.requeue = (messages) => {
      this.requeued += toList(messages).length;
      return requeue.call(consumer, messages);
    };
    return consumer;
  }
}

/** A worker on some queues whose actors end when the test says so. */
async function startSlow(queueNames: readonly string[], concurrency: number) {
  const clock = new FakeClock();
  const broker = new WaitingBroker({ clock, middleware: [] });
  const running: { readonly name: string; readonly end: () => void }[] = [];
  const ran: string[] = [];
  const actors = queueNames.map((queueName) =>
    actor((n: number) =>
      new Promise<void>((resolve) => {
        running.push({ name: `${queueName}${n}`, end: resolve });
        ran.push(`${queueName}${n}`);
      }), { broker, queueName, actorName: queueName })
  );
  const worker = new Worker(broker, { concurrency });
  await worker.start();
  const endNext = async () => {
    running.shift()?.end();
    await clock.settle();
  };
  return { clock, broker, worker, actors, running, ran, endNext };
}

test("Worker gives back what it cannot begin within maxWait, and fetches again when a slot is free", async () => {
  const { clock, broker, worker, actors: [a], ran, endNext } = await startSlow(["a"], 1);
  await a!.sendMany([[0], [1], [2]]);
  await clock.settle();
  assertEquals(broker.given.get("a"), 2);
  await clock.advance(1_000);
  assertEquals([ran, broker.requeued], [["a0"], 1]);

  // Others have it now, and nothing is fetched while the slot is taken.
  {
    await using other = broker.consume("a", { prefetch: 10 });
    assertEquals(firstArgs(await receiveCount(other, 2)), [1, 2]);
  }
  broker.given.clear();
  await clock.advance(60_000);
  assertEquals(broker.given.get("a"), undefined);

  for (let n = 0; n < 3; n++) await endNext();
  await clock.waitFor(broker.join("a"));
  assertEquals(ran, ["a0", "a1", "a2"]);
  await worker.stop();
  assertEquals(clock.pendingTimers, 0);
});

test("Worker gives nothing back that waits for less than half of maxWait", async () => {
  const { clock, broker, worker, actors: [a], ran, endNext } = await startSlow(["a"], 1);
  await a!.sendMany(Array.from({ length: 6 }, (_, n): [number] => [n]));
  for (let n = 0; n < 6; n++) {
    await clock.advance(240); // one runs while the next one waits
    await endNext();
  }
  await clock.waitFor(broker.join("a"));
  assertEquals([ran.length, broker.requeued], [6, 0]);
  await worker.stop();
});

test("Worker lets no queue starve that had messages given back, while others keep it busy", async () => {
  const { clock, broker, worker, actors: [a, b], ran, endNext } = await startSlow(["a", "b"], 1);
  await a!.sendMany([[0], [1]]);
  await b!.sendMany([[0], [1]]);
  await clock.advance(1_000);
  assertEquals(broker.requeued, 3);
  let sent = 2;
  for (let step = 0; step < 40 && !ran.includes("b1"); step++) {
    await a!.send(sent++);
    await clock.advance(200);
    await endNext();
  }
  assertEquals(["b0", "b1"].map((name) => ran.includes(name)), [true, true]);
  await clock.waitFor(worker.stop(0));
});

test("Worker looks at more and more queues, until one of them has something", async () => {
  const names = Array.from({ length: 40 }, (_, i) => `q${i}_`);
  const { clock, broker, worker, actors, ran, endNext } = await startSlow(names, 1);
  for (const one of actors) await one.send(0);
  await clock.advance(1_000);
  assertEquals([ran.length, broker.requeued], [1, 39]);
  // Another worker takes all but the last.
  for (const name of names.slice(1, -1)) {
    await using other = broker.consume(name);
    await other.ack(await other.receive(1));
  }
  await endNext();
  await clock.advance(1_000);
  assertEquals(ran, ["q0_0", "q39_0"]);
  await endNext();
  await worker.stop();
});

test("Worker that was paused while messages were given back goes on with them when it resumes", async () => {
  const { clock, broker, worker, actors: [a], ran, endNext } = await startSlow(["a"], 1);
  await a!.sendMany([[0], [1]]);
  await clock.advance(1_000);
  worker.pause();
  await endNext();
  await clock.advance(5_000);
  assertEquals(ran, ["a0"]);
  worker.resume();
  await clock.settle();
  assertEquals(ran, ["a0", "a1"]);
  await endNext();
  await clock.waitFor(broker.join("a"));
  await worker.stop();
});
