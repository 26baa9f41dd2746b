import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionClosed } from "@dq/dramatiq";
import { delayQueueName } from "../../core/queue_names.ts";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, sendAll, work } from "./broker_messages.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Outcome of messages and consumers when a broker is closed. */
export const closing: Rules = {
  closed: {
    // Reference: ConnectionClosed
    rule: "Broker.close refuses what is sent afterwards with ConnectionClosed; twice does no harm",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName, 1));
      await broker.close();
      await broker.close();
      const { queueName } = fixture;
      await assertRejects(() => broker.enqueue(work(queueName, 2)), ConnectionClosed);
      await assertRejects(() => broker.enqueueMany([work(queueName, 3)]), ConnectionClosed);
    },
  },

  disposed: {
    rule: "Broker closes when it is disposed of, also when it was never used",
    async check(fixture) {
      const broker = await fixture.open();
      await broker[Symbol.asyncDispose]();
      await assertRejects(() => broker.enqueue(work(fixture.queueName, 1)), ConnectionClosed);
    },
  },

  closeEndsConsumers: {
    // Reference: Broker.close
    rule: "Broker.close closes its consumers: those that wait get nothing",
    async check(fixture) {
      const broker = await fixture.open();
      const consumers = [fixture.queueName, delayQueueName(fixture.queueName)]
        .map((queueName) => broker.consume(queueName));
      const waiting = consumers.map((consumer) => consumer.receive(1));
      await broker.close();
      assertEquals(await Promise.all(waiting), [[], []]);
      for (const consumer of consumers) await consumer.close();
    },
  },

  closeFinishesSends: {
    rule: "Broker.close waits for what was sent before it, awaited or not",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const sends = numbers(3_000).map((n) => broker.enqueue(work(queueName, n)));
      sends.push(broker.enqueue(work(queueName, "late"), { delay: 3_600_000 }));
      const many = broker.enqueueMany(numbers(3_000).map((n) => work(queueName, n)));
      await broker.close();
      await Promise.all([...sends, many]);
    },
  },

  closeKeepsSends: {
    rule: "Broker.close leaves what was sent before it to other brokers, awaited or not",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const sends = numbers(3_000).map((n) => broker.enqueue(work(queueName, n)));
      await broker.close();
      await Promise.all(sends);
      const next = await fixture.open();
      await using consumer = next.consume(queueName, { prefetch: 3_000 });
      const received = firstArgs(await receiveCount(consumer, 3_000)) as number[];
      assertEquals(received.toSorted((a, b) => a - b), numbers(3_000));
    },
  },

  closeFinishesAcks: {
    rule: "Consumer.close leaves messages acknowledged that were before it, awaited or not",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      await sendAll(broker, queueName, numbers(20));
      const consumer = broker.consume(queueName, { prefetch: 20 });
      const messages = await receiveCount(consumer, 20);
      const settling = [consumer.ack(messages.slice(0, 10)), consumer.nack(messages.slice(10))];
      await consumer.close();
      await Promise.all(settling);
      assertEquals((await fixture.deadLetters(broker)).length, 10);
      await broker.enqueue(work(queueName, "next"));
      await using next = broker.consume(queueName, { prefetch: 20 });
      assertEquals(firstArgs(await next.receive(20)), ["next"]);
    },
  },

  closeKeepsMessages: {
    rule: "Broker.close gives back what its consumers had not settled, for other brokers",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      const [first] = await receiveCount(broker.consume(fixture.queueName, { prefetch: 2 }), 2);
      assertEquals(first!.args, [0]);
      await broker.close();
      const next = await fixture.open();
      await using consumer = next.consume(fixture.queueName, { prefetch: 3 });
      assertEquals(firstArgs(await receiveCount(consumer, 3)).toSorted(), [0, 1, 2]);
    },
  },
};
