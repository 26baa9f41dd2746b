import { assert, assertEquals, assertRejects } from "@std/assert";
import { QueueJoinTimeout } from "@dq/dramatiq";
import type { Rules } from "./broker_harness.ts";
import { receiveCount, receiveOne, sendAll, work } from "./broker_messages.ts";

const HOUR = 3_600_000;

/** Emptying queues, and waiting until they are empty. */
export const emptying: Rules = {
  flush: {
    // Reference: Broker.flush
    rule: "Broker.flush drops the messages of one queue: those that wait and those delayed",
    async check(fixture) {
      const broker = await fixture.open();
      const other = fixture.newQueueName();
      broker.declareQueue(other);
      await sendAll(broker, fixture.queueName, [0, 1]);
      await broker.enqueue(work(fixture.queueName, 2), { delay: HOUR });
      await broker.enqueue(work(other, "kept"));
      await broker.flush(fixture.queueName);
      await broker.join(fixture.queueName);
      await broker.enqueue(work(fixture.queueName, "next"));
      await using consumer = broker.consume(fixture.queueName);
      assertEquals((await receiveOne(consumer)).args, ["next"]);
      await using otherConsumer = broker.consume(other);
      assertEquals((await receiveOne(otherConsumer)).args, ["kept"]);
    },
  },

  flushDeadLetters: {
    rule: "Broker.flush drops the dead letters of the queue",
    async check(fixture) {
      const broker = await fixture.open();
      const other = fixture.newQueueName();
      broker.declareQueue(other);
      for (const queueName of [fixture.queueName, other]) {
        await broker.enqueue(work(queueName, 1));
        await using consumer = broker.consume(queueName);
        await consumer.nack([await receiveOne(consumer)]);
      }
      await broker.flush(fixture.queueName);
      assertEquals(await fixture.deadLetters(broker), []);
      assertEquals((await fixture.deadLetters(broker, other)).length, 1);
    },
  },

  flushAll: {
    // Reference: Broker.flush_all
    rule: "Broker.flushAll drops the messages of all queues declared on it",
    async check(fixture) {
      const broker = await fixture.open();
      const other = fixture.newQueueName();
      broker.declareQueue(other);
      await sendAll(broker, fixture.queueName, [0, 1]);
      await broker.enqueue(work(other, 2), { delay: HOUR });
      await broker.flushAll();
      await broker.join(fixture.queueName);
      await broker.join(other);
    },
  },

  joinEmpty: {
    rule: "Broker.join returns at once when there is nothing to wait for",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.join(fixture.queueName, { timeout: 10_000 });
    },
  },

  joinUnsettled: {
    // Reference: Broker.join
    rule: "Broker.join waits for messages that were received and not settled",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const [first, second] = await receiveCount(consumer, 2);
      const { queueName } = fixture;
      await assertRejects(
        () => broker.join(queueName, { timeout: 20 }),
        QueueJoinTimeout,
        queueName,
      );
      let joined = false;
      const joining = broker.join(queueName).then(() => joined = true);
      await consumer.ack([first!]);
      await assertRejects(() => broker.join(queueName, { timeout: 20 }), QueueJoinTimeout);
      assert(!joined, "it did not wait for the second message");
      await consumer.nack([second!]);
      await joining;
    },
  },

  joinDelayed: {
    rule: "Broker.join waits for delayed messages, too",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName, 1), { delay: HOUR });
      const { queueName } = fixture;
      await assertRejects(() => broker.join(queueName, { timeout: 20 }), QueueJoinTimeout, "20 ms");
      const joining = broker.join(queueName);
      await broker.flush(queueName);
      await joining;
    },
  },

  joinAborted: {
    rule: "Broker.join rejects with the reason of its signal, aborted before or while it waits",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName, 1));
      const reason = new RangeError("enough");
      const aborter = new AbortController();
      const joining = broker.join(fixture.queueName, { signal: aborter.signal });
      aborter.abort(reason);
      assertEquals(await joining.catch((error) => error), reason);
      const again = broker.join(fixture.queueName, { signal: aborter.signal });
      assertEquals(await again.catch((error) => error), reason);
    },
  },
};
