import { assertEquals, assertRejects } from "@std/assert";
import {
  type Broker,
  group,
  type Middleware,
  MiddlewareError,
  pipeline,
  QueueNotFound,
} from "@dq/dramatiq";
import { delayQueueName } from "../../core/queue_names.ts";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, receiveOne, work } from "./broker_messages.ts";

/** Sending, one message or many. */
export const sending: Rules = {
  enqueue: {
    // Reference: Broker, Broker.enqueue
    rule: "Broker.enqueue gives the message as it was stored, and leaves the caller's alone",
    async check(fixture) {
      const broker = await fixture.open();
      const message = work(fixture.queueName, 1).copy({ options: { tenant: "a" } });
      const stored = await broker.enqueue(message);
      assertEquals(stored.queueName, fixture.queueName);
      assertEquals(stored.messageId, message.messageId);
      assertEquals(stored.args, [1]);
      assertEquals({ ...message.options }, { tenant: "a" });
    },
  },

  enqueueAgain: {
    rule: "Broker.enqueue takes a message a second time, as a message of its own",
    async check(fixture) {
      const broker = await fixture.open();
      const stored = await broker.enqueue(work(fixture.queueName, 1));
      const again = await broker.enqueue(stored);
      assertEquals(again.messageId, stored.messageId);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const [first, second] = await receiveCount(consumer, 2);
      await consumer.ack([first!]);
      await consumer.nack([second!]);
      await broker.join(fixture.queueName);
      assertEquals((await fixture.deadLetters(broker)).length, 1);
    },
  },

  enqueueAborted: {
    rule:
      "Broker.enqueue sends nothing with a signal that has aborted, and rejects with its reason",
    async check(fixture) {
      const broker = await fixture.open();
      const reason = new Error("enough");
      const options = { signal: AbortSignal.abort(reason) };
      const message = work(fixture.queueName, 1);
      for (
        const send of [
          () => broker.enqueue(message, options),
          () => broker.enqueueMany([message], options),
          () => group([message], { broker }).run(options),
          () => pipeline([message], { broker }).run(options),
        ]
      ) {
        assertEquals(await assertRejects(send), reason);
      }
      const { signal } = new AbortController();
      await broker.enqueue(work(fixture.queueName, 2), { signal });
      await broker.enqueueMany([work(fixture.queueName, 3)], { signal });
      await using consumer = broker.consume(fixture.queueName, { prefetch: 4 });
      const received = await receiveCount(consumer, 2);
      assertEquals(firstArgs(received), [2, 3]);
      await consumer.ack(received);
    },
  },

  enqueueUnencodable: {
    rule: "Broker.enqueue rejects with a TypeError what cannot be encoded, and stores nothing",
    async check(fixture) {
      const broker = await fixture.open();
      const message = work(fixture.queueName, { size: 10n });
      await assertRejects(() => broker.enqueue(message), TypeError, "work");
      await broker.join(fixture.queueName);
    },
  },

  enqueueUndeclared: {
    rule: "Broker.enqueue refuses a queue that is not declared, or declares it: never loses it",
    async check(fixture) {
      const heard: string[] = [];
      const listener: Middleware = {
        beforeEnqueue: (_, message) => void heard.push(message.queueName),
      };
      const broker = await fixture.open([listener]);
      const queueName = fixture.newQueueName();
      if (fixture.harness.undeclaredQueues === "refused") {
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
    // Reference: Broker.declare_queue
    rule: "Broker.declareQueue has the queues ready when it calls the after hooks",
    async check(fixture) {
      const outcomes: unknown[] = [];
      const consumeAtOnce = (broker: Broker, queueName: string) => {
        try {
          outcomes.push(broker.consume(queueName).queueName);
        } catch (error) {
          outcomes.push(error); // a hook's error would only be logged
        }
      };
      const broker = await fixture.open([{
        afterDeclareQueue: consumeAtOnce,
        afterDeclareDelayQueue: consumeAtOnce,
      }]);
      broker.declareQueue(fixture.queueName); // the second time nothing happens
      assertEquals(outcomes, [fixture.queueName, delayQueueName(fixture.queueName)]);
    },
  },

  enqueueManyOrder: {
    rule: "Broker.enqueueMany keeps the order, and gives the messages as they were stored",
    async check(fixture) {
      const broker = await fixture.open();
      const values = Array.from({ length: 2_500 }, (_, i) => i);
      const messages = values.map((value) => work(fixture.queueName, value));
      const stored = await broker.enqueueMany(messages);
      assertEquals(stored.map((one) => one.messageId), messages.map((one) => one.messageId));
      assertEquals(await broker.enqueueMany([]), []);
      await using consumer = broker.consume(fixture.queueName, { prefetch: values.length });
      assertEquals(firstArgs(await receiveCount(consumer, values.length)), values);
    },
  },

  enqueueManyQueues: {
    rule: "Broker.enqueueMany takes messages of several queues",
    async check(fixture) {
      const broker = await fixture.open();
      const other = fixture.newQueueName();
      broker.declareQueue(other);
      const queueNames = [fixture.queueName, other, fixture.queueName, other];
      await broker.enqueueMany(queueNames.map((queueName, i) => work(queueName, i)));
      await using first = broker.consume(fixture.queueName, { prefetch: 2 });
      await using second = broker.consume(other, { prefetch: 2 });
      assertEquals(firstArgs(await receiveCount(first, 2)), [0, 2]);
      assertEquals(firstArgs(await receiveCount(second, 2)), [1, 3]);
    },
  },

  enqueueManyAllOrNone: {
    rule: "Broker.enqueueMany stores none when one cannot be encoded or a middleware refuses one",
    async check(fixture) {
      const refuses: Middleware = {
        beforeEnqueue(_broker, message) {
          if (message.args[0] === "refused") throw new MiddlewareError("no");
        },
      };
      const broker = await fixture.open([refuses]);
      for (const bad of [10n, "refused"]) {
        const batch = [0, bad, 2].map((value) => work(fixture.queueName, value));
        await assertRejects(() => broker.enqueueMany(batch));
      }
      await broker.enqueue(work(fixture.queueName, "next"));
      await using consumer = broker.consume(fixture.queueName);
      assertEquals((await receiveOne(consumer)).args, ["next"]);
    },
  },
};
