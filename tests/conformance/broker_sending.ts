import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Broker,
  ConnectionClosed,
  type Middleware,
  MiddlewareError,
  QueueJoinTimeout,
  QueueNotFound,
} from "@dq/dramatiq";
import { delayQueueName } from "../../core/queue_names.ts";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, receiveOne, sendAll, work } from "./broker_messages.ts";

const HOUR = 3_600_000;

/** Sending, flushing, joining and closing. */
export const sending: Rules = {
  enqueue: {
    rule: "Broker.enqueue gives the message as it was stored, and leaves the caller's alone",
    async check(stage) {
      const broker = await stage.open();
      const message = work(stage.queueName, 1).copy({ options: { tenant: "a" } });
      const stored = await broker.enqueue(message);
      assertEquals(stored.queueName, stage.queueName);
      assertEquals(stored.messageId, message.messageId);
      assertEquals(stored.args, [1]);
      assertEquals({ ...message.options }, { tenant: "a" });
    },
  },

  enqueueAgain: {
    rule: "Broker.enqueue takes a message a second time, as a message of its own",
    async check(stage) {
      const broker = await stage.open();
      const stored = await broker.enqueue(work(stage.queueName, 1));
      const again = await broker.enqueue(stored);
      assertEquals(again.messageId, stored.messageId);
      await using consumer = broker.consume(stage.queueName, { prefetch: 2 });
      const [first, second] = await receiveCount(consumer, 2);
      await consumer.ack([first!]);
      await consumer.nack([second!]);
      await broker.join(stage.queueName);
      assertEquals((await stage.deadLetters(broker)).length, 1);
    },
  },

  enqueueUnencodable: {
    rule: "Broker.enqueue rejects with a TypeError what cannot be encoded, and stores nothing",
    async check(stage) {
      const broker = await stage.open();
      const message = work(stage.queueName, { size: 10n });
      await assertRejects(() => broker.enqueue(message), TypeError, "work");
      await broker.join(stage.queueName);
    },
  },

  enqueueUndeclared: {
    rule: "Broker.enqueue refuses a queue that is not declared, or declares it: never loses it",
    async check(stage) {
      const heard: string[] = [];
      const listener: Middleware = {
        beforeEnqueue: (_, message) => void heard.push(message.queueName),
      };
      const broker = await stage.open([listener]);
      const queueName = stage.newQueueName();
      if (stage.harness.undeclaredQueues === "refused") {
        await assertRejects(() => broker.enqueue(work(queueName, 1)), QueueNotFound, queueName);
        assertEquals(heard, []);
      } else {
        await broker.enqueue(work(queueName, 1));
        broker.declareQueue(queueName);
        await using consumer = broker.consume(queueName);
        assertEquals((await receiveOne(consumer)).args, [1]);
      }
    },
  },

  declaredForHooks: {
    rule: "Broker.declareQueue has the queues ready when it calls the after hooks",
    async check(stage) {
      const outcomes: unknown[] = [];
      const consumeAtOnce = (broker: Broker, queueName: string) => {
        try {
          outcomes.push(broker.consume(queueName).queueName);
        } catch (error) {
          outcomes.push(error); // a hook's error would only be logged
        }
      };
      const broker = await stage.open([{
        afterDeclareQueue: consumeAtOnce,
        afterDeclareDelayQueue: consumeAtOnce,
      }]);
      broker.declareQueue(stage.queueName); // the second time nothing happens
      assertEquals(outcomes, [stage.queueName, delayQueueName(stage.queueName)]);
    },
  },

  enqueueManyOrder: {
    rule: "Broker.enqueueMany keeps the order, and gives the messages as they were stored",
    async check(stage) {
      const broker = await stage.open();
      const values = Array.from({ length: 2_500 }, (_, i) => i);
      const messages = values.map((value) => work(stage.queueName, value));
      const stored = await broker.enqueueMany(messages);
      assertEquals(stored.map((one) => one.messageId), messages.map((one) => one.messageId));
      assertEquals(await broker.enqueueMany([]), []);
      await using consumer = broker.consume(stage.queueName, { prefetch: values.length });
      assertEquals(firstArgs(await receiveCount(consumer, values.length)), values);
    },
  },

  enqueueManyQueues: {
    rule: "Broker.enqueueMany takes messages of several queues",
    async check(stage) {
      const broker = await stage.open();
      const other = stage.newQueueName();
      broker.declareQueue(other);
      const queueNames = [stage.queueName, other, stage.queueName, other];
      await broker.enqueueMany(queueNames.map((queueName, i) => work(queueName, i)));
      await using first = broker.consume(stage.queueName, { prefetch: 2 });
      await using second = broker.consume(other, { prefetch: 2 });
      assertEquals(firstArgs(await receiveCount(first, 2)), [0, 2]);
      assertEquals(firstArgs(await receiveCount(second, 2)), [1, 3]);
    },
  },

  enqueueManyAllOrNone: {
    rule: "Broker.enqueueMany stores none when one cannot be encoded or a middleware refuses one",
    async check(stage) {
      const refuses: Middleware = {
        beforeEnqueue(_broker, message) {
          if (message.args[0] === "refused") throw new MiddlewareError("no");
        },
      };
      const broker = await stage.open([refuses]);
      for (const bad of [10n, "refused"]) {
        const batch = [0, bad, 2].map((value) => work(stage.queueName, value));
        await assertRejects(() => broker.enqueueMany(batch));
      }
      await broker.enqueue(work(stage.queueName, "next"));
      await using consumer = broker.consume(stage.queueName);
      assertEquals((await receiveOne(consumer)).args, ["next"]);
    },
  },

  flush: {
    rule: "Broker.flush drops the messages of one queue: those that wait and those delayed",
    async check(stage) {
      const broker = await stage.open();
      const other = stage.newQueueName();
      broker.declareQueue(other);
      await sendAll(broker, stage.queueName, [0, 1]);
      await broker.enqueue(work(stage.queueName, 2), { delay: HOUR });
      await broker.enqueue(work(other, "kept"));
      await broker.flush(stage.queueName);
      await broker.join(stage.queueName);
      await broker.enqueue(work(stage.queueName, "next"));
      await using consumer = broker.consume(stage.queueName);
      assertEquals((await receiveOne(consumer)).args, ["next"]);
      await using otherConsumer = broker.consume(other);
      assertEquals((await receiveOne(otherConsumer)).args, ["kept"]);
    },
  },

  flushDeadLetters: {
    rule: "Broker.flush drops the dead letters of the queue",
    async check(stage) {
      const broker = await stage.open();
      const other = stage.newQueueName();
      broker.declareQueue(other);
      for (const queueName of [stage.queueName, other]) {
        await broker.enqueue(work(queueName, 1));
        await using consumer = broker.consume(queueName);
        await consumer.nack([await receiveOne(consumer)]);
      }
      await broker.flush(stage.queueName);
      assertEquals(await stage.deadLetters(broker), []);
      assertEquals((await stage.deadLetters(broker, other)).length, 1);
    },
  },

  flushAll: {
    rule: "Broker.flushAll drops the messages of all queues declared on it",
    async check(stage) {
      const broker = await stage.open();
      const other = stage.newQueueName();
      broker.declareQueue(other);
      await sendAll(broker, stage.queueName, [0, 1]);
      await broker.enqueue(work(other, 2), { delay: HOUR });
      await broker.flushAll();
      await broker.join(stage.queueName);
      await broker.join(other);
    },
  },

  joinEmpty: {
    rule: "Broker.join returns at once when there is nothing to wait for",
    async check(stage) {
      const broker = await stage.open();
      await broker.join(stage.queueName, { timeout: 10_000 });
    },
  },

  joinUnsettled: {
    rule: "Broker.join waits for messages that were received and not settled",
    async check(stage) {
      const broker = await stage.open();
      await sendAll(broker, stage.queueName, [0, 1]);
      await using consumer = broker.consume(stage.queueName, { prefetch: 2 });
      const [first, second] = await receiveCount(consumer, 2);
      const { queueName } = stage;
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
    async check(stage) {
      const broker = await stage.open();
      await broker.enqueue(work(stage.queueName, 1), { delay: HOUR });
      const { queueName } = stage;
      await assertRejects(() => broker.join(queueName, { timeout: 20 }), QueueJoinTimeout, "20 ms");
      const joining = broker.join(queueName);
      await broker.flush(queueName);
      await joining;
    },
  },

  joinAborted: {
    rule: "Broker.join rejects with the reason of its signal, aborted before or while it waits",
    async check(stage) {
      const broker = await stage.open();
      await broker.enqueue(work(stage.queueName, 1));
      const reason = new RangeError("enough");
      const aborter = new AbortController();
      const joining = broker.join(stage.queueName, { signal: aborter.signal });
      aborter.abort(reason);
      assertEquals(await joining.catch((error) => error), reason);
      const again = broker.join(stage.queueName, { signal: aborter.signal });
      assertEquals(await again.catch((error) => error), reason);
    },
  },

  closed: {
    rule: "Broker.close refuses what is sent afterwards with ConnectionClosed; twice does no harm",
    async check(stage) {
      const broker = await stage.open();
      await broker.enqueue(work(stage.queueName, 1));
      await broker.close();
      await broker.close();
      const { queueName } = stage;
      await assertRejects(() => broker.enqueue(work(queueName, 2)), ConnectionClosed);
      await assertRejects(() => broker.enqueueMany([work(queueName, 3)]), ConnectionClosed);
    },
  },

  disposed: {
    rule: "Broker closes when it is disposed of, also when it was never used",
    async check(stage) {
      const broker = await stage.open();
      await broker[Symbol.asyncDispose]();
      await assertRejects(() => broker.enqueue(work(stage.queueName, 1)), ConnectionClosed);
    },
  },

  closeEndsConsumers: {
    rule: "Broker.close closes its consumers: those that wait get nothing",
    async check(stage) {
      const broker = await stage.open();
      const consumers = [stage.queueName, delayQueueName(stage.queueName)]
        .map((queueName) => broker.consume(queueName));
      const waiting = consumers.map((consumer) => consumer.receive(1));
      await broker.close();
      assertEquals(await Promise.all(waiting), [[], []]);
      for (const consumer of consumers) await consumer.close();
    },
  },

  closeKeepsMessages: {
    rule: "Broker.close gives back what its consumers had not settled, for other brokers",
    async check(stage) {
      const broker = await stage.open();
      await sendAll(broker, stage.queueName, [0, 1, 2]);
      const [first] = await receiveCount(broker.consume(stage.queueName, { prefetch: 2 }), 2);
      assertEquals(first!.args, [0]);
      await broker.close();
      const next = await stage.open();
      await using consumer = next.consume(stage.queueName, { prefetch: 3 });
      assertEquals(firstArgs(await receiveCount(consumer, 3)).toSorted(), [0, 1, 2]);
    },
  },
};
