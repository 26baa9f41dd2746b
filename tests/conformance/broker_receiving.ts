import { assert, assertEquals } from "@std/assert";
import type { Consumer } from "@dq/dramatiq";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, receiveOne, sendAll, work } from "./broker_messages.ts";

const RACES = 20;

/** Rules of receiving: order, limits, waiting, and the end of waiting. */
export const receiving: Rules = {
  receiveInOrder: {
    // Reference: Broker.consume
    rule: "Consumer.receive gives messages in the order in which they were sent",
    async check(fixture) {
      const broker = await fixture.open();
      const values = Array.from({ length: 50 }, (_, i) => i);
      await sendAll(broker, fixture.queueName, values);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 50 });
      assertEquals(firstArgs(await receiveCount(consumer, 50)), values);
    },
  },

  receiveAtMostLimit: {
    // Reference: Consumer.__next__
    rule: "Consumer.receive gives at most as many messages as it is asked for",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2, 3, 4]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 5 });
      const received = [];
      while (received.length < 5) {
        const messages = await consumer.receive(2);
        assert(messages.length === 1 || messages.length === 2, `${messages.length} messages came`);
        received.push(...messages);
      }
      assertEquals(firstArgs(received), [0, 1, 2, 3, 4]);
    },
  },

  receiveAtMostPrefetch: {
    rule: "Consumer.receive never has more messages out than the prefetch allows",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2, 3, 4]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const received = await consumer.receive(10);
      while (received.length < 2) received.push(...await consumer.receive(10));
      assertEquals(firstArgs(received), [0, 1]);
      await consumer.ack(received.slice(0, 1));
      assertEquals(firstArgs(await consumer.receive(10)), [2]);
    },
  },

  receiveWaitsForRoom: {
    rule: "Consumer.receive waits for room when as many as the prefetch are unsettled",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      await using consumer = broker.consume(fixture.queueName);
      const first = await receiveOne(consumer);
      const aborter = new AbortController();
      const full = consumer.receive(1, { signal: aborter.signal });
      aborter.abort();
      assertEquals(await full, []);
      const waiting = consumer.receive(1);
      await consumer.ack([first]);
      const second = await waiting;
      assertEquals(firstArgs(second), [1]);
      const closing = consumer.receive(1);
      await consumer.close();
      assertEquals(await closing, []);
    },
  },

  receiveWaits: {
    rule: "Consumer.receive waits until a message comes",
    async check(fixture) {
      const broker = await fixture.open();
      const otherQueue = fixture.newQueueName();
      broker.declareQueue(otherQueue);
      await using consumer = broker.consume(fixture.queueName);
      await using otherConsumer = broker.consume(otherQueue);
      let ended = false;
      const waiting = consumer.receive(10).finally(() => ended = true);
      // A message makes its way through another queue: time enough to end too early.
      await broker.enqueue(work(otherQueue, "other"));
      await receiveOne(otherConsumer);
      assert(!ended, "it gave something before anything was sent");
      await broker.enqueue(work(fixture.queueName, "awaited"));
      assertEquals(firstArgs(await waiting), ["awaited"]);
    },
  },

  receiveWokenByOtherBroker: {
    rule: "Consumer.receive is woken by a message that another broker object sends",
    async check(fixture) {
      const broker = await fixture.open();
      const producer = await fixture.open();
      await using consumer = broker.consume(fixture.queueName, { prefetch: 3 });
      for (const value of ["first", "second", "third"]) {
        const waiting = consumer.receive(1);
        await producer.enqueue(work(fixture.queueName, value));
        assertEquals(firstArgs(await waiting), [value]);
      }
    },
  },

  abortEndsWait: {
    rule: "Consumer.receive gives nothing when its signal aborts, and can be called again",
    async check(fixture) {
      const broker = await fixture.open();
      await using consumer = broker.consume(fixture.queueName);
      const aborter = new AbortController();
      const waiting = consumer.receive(10, { signal: aborter.signal });
      aborter.abort();
      assertEquals(await waiting, []);
      await broker.enqueue(work(fixture.queueName, "later"));
      assertEquals((await receiveOne(consumer)).args, ["later"]);
    },
  },

  abortedSignal: {
    rule: "Consumer.receive does not wait when its signal has aborted before",
    async check(fixture) {
      const broker = await fixture.open();
      await using consumer = broker.consume(fixture.queueName);
      assertEquals(await consumer.receive(10, { signal: AbortSignal.abort() }), []);
    },
  },

  abortLosesNothing: {
    rule: "Consumer.receive loses no message that comes as its signal aborts",
    async check(fixture) {
      const broker = await fixture.open();
      await using consumer = broker.consume(fixture.queueName);
      for (let i = 0; i < RACES; i++) {
        const aborter = new AbortController();
        const waiting = consumer.receive(1, { signal: aborter.signal });
        const sending = broker.enqueue(work(fixture.queueName, i));
        if (i % 2 === 1) await sending;
        aborter.abort();
        await sending;
        const received = await waiting;
        if (received.length === 0) received.push(await receiveOne(consumer));
        assertEquals(firstArgs(received), [i]);
        await consumer.ack(received);
      }
    },
  },

  closeEndsWait: {
    rule: "Consumer.close ends the wait of receive, which gives nothing",
    async check(fixture) {
      const broker = await fixture.open();
      const consumer = broker.consume(fixture.queueName);
      const waiting = consumer.receive(10);
      await consumer.close();
      assertEquals(await waiting, []);
    },
  },

  closeLosesNothing: {
    rule: "Consumer.close loses no message that comes at that moment",
    async check(fixture) {
      const broker = await fixture.open();
      for (let i = 0; i < RACES; i++) {
        const closed = broker.consume(fixture.queueName);
        const waiting = closed.receive(1);
        const sending = broker.enqueue(work(fixture.queueName, i));
        if (i % 2 === 1) await sending;
        await closed.close();
        await sending;
        await waiting;
        await using next = broker.consume(fixture.queueName);
        const message = await receiveOne(next);
        assertEquals(message.args, [i]);
        await next.ack([message]);
      }
    },
  },

  closedReceivesNothing: {
    rule: "Consumer.receive of a closed consumer takes nothing off the queue",
    async check(fixture) {
      const broker = await fixture.open();
      const closed = broker.consume(fixture.queueName);
      await closed.close();
      await broker.enqueue(work(fixture.queueName, "kept"));
      assertEquals(await closed.receive(1), []);
      await using consumer = broker.consume(fixture.queueName);
      assertEquals((await receiveOne(consumer)).args, ["kept"]);
    },
  },

  closeGivesBack: {
    // Reference: Consumer.close
    rule: "Consumer.close gives back what is not settled, before what was not received yet",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2, 3, 4]);
      const first = broker.consume(fixture.queueName, { prefetch: 4 });
      const [, settled] = await receiveCount(first, 4);
      await first.ack([settled!]);
      await first.close();
      await using second = broker.consume(fixture.queueName, { prefetch: 4 });
      const again = firstArgs(await receiveCount(second, 4));
      assertEquals([again.slice(0, 3).toSorted(), again[3]], [[0, 2, 3], 4]);
    },
  },

  closeKeepsOrder: {
    rule: "Consumer.close gives back what is not settled in the order in which it came",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2, 3, 4, 5]);
      const first = broker.consume(fixture.queueName, { prefetch: 6 });
      const received = await receiveCount(first, 6);
      await first.ack([received[1]!, received[3]!]);
      await first.close();
      await using second = broker.consume(fixture.queueName, { prefetch: 4 });
      assertEquals(firstArgs(await receiveCount(second, 4)), [0, 2, 4, 5]);
    },
  },

  closeTwice: {
    rule: "Consumer.close can be called twice, and before anything was received",
    async check(fixture) {
      const broker = await fixture.open();
      const unused = broker.consume(fixture.queueName);
      await unused.close();
      await unused.close();
      await sendAll(broker, fixture.queueName, [0, 1]);
      const used = broker.consume(fixture.queueName);
      await receiveOne(used);
      await Promise.all([used.close(), used.close()]);
      await using next = broker.consume(fixture.queueName, { prefetch: 3 });
      await broker.enqueue(work(fixture.queueName, 2));
      assertEquals(firstArgs(await receiveCount(next, 3)).toSorted(), [0, 1, 2]);
    },
  },

  iterate: {
    // Reference: Consumer.__iter__
    rule: "Consumer is an iterable of messages that ends when it is closed",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      await using consumer = broker.consume(fixture.queueName);
      const seen: unknown[] = [];
      const iterating = (async () => {
        for await (const message of consumer) {
          seen.push(message.args[0]);
          await consumer.ack([message]);
        }
      })();
      await broker.join(fixture.queueName);
      await consumer.close();
      await iterating;
      assertEquals(seen, [0, 1, 2]);
    },
  },

  shareQueue: {
    // Reference: Consumer
    rule: "Consumer shares a queue with another one, and no message comes to both",
    async check(fixture) {
      const broker = await fixture.open();
      const values = Array.from({ length: 200 }, (_, i) => i);
      await broker.enqueueMany(values.map((value) => work(fixture.queueName, value)));
      const seen: number[] = [];
      await using first = broker.consume(fixture.queueName, { prefetch: 5 });
      await using second = broker.consume(fixture.queueName, { prefetch: 5 });
      const draining = [drain(first, seen), drain(second, seen)];
      await broker.join(fixture.queueName);
      await Promise.all([first.close(), second.close()]);
      await Promise.all(draining);
      assertEquals(seen.toSorted((a, b) => a - b), values);
    },
  },
};

/** Receives and acknowledges until the consumer is closed. */
async function drain(consumer: Consumer, seen: number[]): Promise<void> {
  while (true) {
    const messages = await consumer.receive(5);
    if (messages.length === 0) return;
    for (const message of messages) seen.push(message.args[0] as number);
    await consumer.ack(messages);
  }
}
