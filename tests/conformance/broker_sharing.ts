import { assertEquals } from "@std/assert";
import { actor, type Broker, Worker } from "@dq/dramatiq";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, sendAll, work } from "./broker_messages.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const sorted = (values: readonly unknown[]) => (values as number[]).toSorted((a, b) => a - b);

/** Rules of what several consumers and workers of one broker object do to each other: nothing. */
export const sharing: Rules = {
  shareHeld: {
    rule: "Broker gives each message to one of its consumers, however long that holds it",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      await sendAll(broker, queueName, numbers(9));
      const consumers = numbers(3).map(() => broker.consume(queueName, { prefetch: 3 }));
      const held = await Promise.all(consumers.map((one) => receiveCount(one, 3)));
      assertEquals(sorted(firstArgs(held.flat())), numbers(9));
      await using other = broker.consume(queueName, { prefetch: 10 });
      const waiting = other.receive(10);
      await fixture.untilMaintained(broker);
      await broker.enqueue(work(queueName, "new"));
      const received = await waiting;
      assertEquals(firstArgs(received), ["new"]);
      await other.ack(received);
      for (const [i, one] of consumers.entries()) await one.ack(held[i]!);
      await broker.join(queueName);
      for (const one of consumers) await one.close();
    },
  },

  shareClosed: {
    rule: "Consumer.close gives its own messages back, and none of another of its broker",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      await sendAll(broker, queueName, numbers(6));
      const first = broker.consume(queueName, { prefetch: 3 });
      const closed = firstArgs(await receiveCount(first, 3));
      await using second = broker.consume(queueName, { prefetch: 3 });
      const held = await receiveCount(second, 3);
      await first.close();
      await using third = broker.consume(queueName, { prefetch: 6 });
      const received = await receiveCount(third, 3);
      assertEquals(sorted(firstArgs(received)), sorted(closed));
      await fixture.untilMaintained(broker);
      await broker.enqueue(work(queueName, "new"));
      const [last] = await receiveCount(third, 1);
      assertEquals(last!.args, ["new"]);
      await second.ack(held);
      await third.ack([...received, last!]);
      await broker.join(queueName);
    },
  },

  shareWorkers: {
    rule: "Worker shares a broker object with another one, each message running once",
    async check(fixture) {
      const broker = await fixture.open();
      const holding = declareHolding(broker, fixture.queueName);
      await holding.send(8);
      await using first = new Worker(broker, { concurrency: 4 });
      await using second = new Worker(broker, { concurrency: 4 });
      await Promise.all([first.start(), second.start()]);
      await holding.untilRunning(4);
      await fixture.untilMaintained(broker);
      holding.release();
      await broker.join(fixture.queueName);
      await Promise.all([first.join(), second.join()]);
      assertEquals(sorted(holding.ran), numbers(8));
    },
  },

  shareDelayed: {
    rule: "Worker shares a broker object with another one, each delayed message running once",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const ran: number[] = [];
      const note = actor((n: number) => void ran.push(n), {
        broker,
        queueName,
        actorName: "note",
      });
      await using first = new Worker(broker);
      await using second = new Worker(broker);
      await Promise.all([first.start(), second.start()]);
      await Promise.all(
        numbers(100).map((n) => note.sendWithOptions({ args: [n], delay: 1 + n % 20 })),
      );
      await broker.join(queueName);
      await Promise.all([first.join(), second.join()]);
      assertEquals(sorted(ran), numbers(100));
    },
  },

  shareStopping: {
    rule: "Worker that starts while another of its broker object stops runs none of its messages",
    async check(fixture) {
      const broker = await fixture.open();
      const holding = declareHolding(broker, fixture.queueName);
      await holding.send(4);
      const first = new Worker(broker, { concurrency: 4 });
      await first.start();
      await holding.untilRunning(4);
      const stopping = first.stop();
      await using second = new Worker(broker, { concurrency: 4 });
      await second.start();
      // More than the prefetch of both: a server that pushes may still give some to the first.
      await holding.send(12, 4);
      await holding.untilRunning(8);
      await fixture.untilMaintained(broker);
      holding.release();
      await stopping;
      await broker.join(fixture.queueName);
      await second.join();
      assertEquals(sorted(holding.ran), numbers(16));
    },
  },

  shareBeside: {
    rule: "Consumer beside a worker of its broker object is given nothing that the worker has",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const holding = declareHolding(broker, queueName);
      await holding.send(4); // two run, and two are prefetched: the worker has no room for more
      await using worker = new Worker(broker, { concurrency: 2 });
      await worker.start();
      await holding.untilRunning(2);
      await using consumer = broker.consume(queueName, { prefetch: 10 });
      const waiting = consumer.receive(10);
      await fixture.untilMaintained(broker);
      await broker.enqueue(work(queueName, "new"));
      const received = await waiting;
      assertEquals(firstArgs(received), ["new"]);
      await consumer.ack(received);
      holding.release();
      await broker.join(queueName);
      await worker.join();
      assertEquals(sorted(holding.ran), numbers(4));
    },
  },
};

/** Declares an actor that records running messages, and holds them until they are released. */
function declareHolding(broker: Broker, queueName: string) {
  const ran: number[] = [];
  const released = Promise.withResolvers<void>();
  let count = Infinity;
  let reached = () => {};
  const hold = actor(async (n: number) => {
    ran.push(n);
    if (ran.length >= count) reached();
    await released.promise;
  }, { broker, queueName, actorName: "hold" });
  return {
    ran,
    release: released.resolve,
    async send(howMany: number, from = 0): Promise<void> {
      await hold.sendMany(numbers(howMany).map((n): [number] => [from + n]));
    },
    async untilRunning(howMany: number): Promise<void> {
      if (ran.length >= howMany) return;
      count = howMany;
      await new Promise<void>((resolve) => reached = resolve);
    },
  };
}
