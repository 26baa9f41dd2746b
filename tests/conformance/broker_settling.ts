import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, receiveCount, receiveOne, sendAll, textOf, work } from "./broker_messages.ts";

/** Outcome of messages that were received. */
export const settling: Rules = {
  ack: {
    // Reference: Consumer.ack
    rule: "Consumer.ack takes messages off the queue for good",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      const first = broker.consume(fixture.queueName, { prefetch: 3 });
      await first.ack(await receiveCount(first, 3));
      await first.close();
      await broker.join(fixture.queueName);
      await using second = broker.consume(fixture.queueName);
      await broker.enqueue(work(fixture.queueName, "next"));
      assertEquals((await receiveOne(second)).args, ["next"]);
      assertEquals(await fixture.deadLetters(broker), []);
    },
  },

  settleOne: {
    rule: "Consumer.ack, nack and requeue take one message as well as a list, and nothing else",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 3 });
      const [first, second, third] = await receiveCount(consumer, 3);
      for (
        const wrong of [undefined, null, "message", first!.message, [first!.message], [undefined], [
          {},
        ]]
      ) {
        const error = await assertRejects(() => consumer.ack(wrong as never), TypeError);
        assert(error.message.startsWith("Cannot settle "), error.message);
      }
      await consumer.ack(first!);
      await consumer.nack(second!);
      await consumer.requeue(third!);
      const again = await receiveOne(consumer);
      assertEquals(again.args, [2]);
      await consumer.ack(again);
      await broker.join(fixture.queueName);
      assertEquals(firstArgs(await fixture.deadLetters(broker)), [1]);
    },
  },

  ackOutOfOrder: {
    rule: "Consumer.ack takes exactly the messages it is given, in any order",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2, 3]);
      const first = broker.consume(fixture.queueName, { prefetch: 4 });
      const [, second, , fourth] = await receiveCount(first, 4);
      await first.ack([fourth!, second!]);
      await first.ack([]);
      await first.close();
      await using next = broker.consume(fixture.queueName, { prefetch: 2 });
      assertEquals(firstArgs(await receiveCount(next, 2)), [0, 2]);
    },
  },

  nack: {
    // Reference: Consumer.nack
    rule: "Consumer.nack moves messages to the dead letters",
    async check(fixture) {
      const broker = await fixture.open();
      const sent = await sendAll(broker, fixture.queueName, [0, 1, 2]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 3 });
      const received = await receiveCount(consumer, 3);
      await consumer.nack(received);
      await broker.join(fixture.queueName);
      const dead = await fixture.deadLetters(broker);
      assertEquals(
        new Set(dead.map(({ messageId }) => messageId)),
        new Set(sent.map(({ messageId }) => messageId)),
      );
      assertEquals(firstArgs(dead).toSorted(), [0, 1, 2]);
      assertEquals(dead[0]!.option("traceback"), undefined); // nothing was thrown
    },
  },

  nackKeepsOrder: {
    rule: "Consumer.nack keeps the order of messages in the dead letters",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 3 });
      await consumer.nack(await receiveCount(consumer, 3));
      await broker.join(fixture.queueName);
      assertEquals(firstArgs(await fixture.deadLetters(broker)), [0, 1, 2]);
    },
  },

  nackFinalForm: {
    rule: "Consumer.nack keeps the final options and the traceback in the dead letter",
    async check(fixture) {
      const broker = await fixture.open();
      const sent = await broker.enqueue(
        work(fixture.queueName, 1).copy({ options: { tenant: "a", retries: 1 } }),
      );
      await using consumer = broker.consume(fixture.queueName);
      const message = await receiveOne(consumer);
      message.message = message.message.copy({ options: { retries: 2 } });
      message.stuffException(new RangeError("the last straw"));
      message.fail();
      await consumer.nack([message]);
      const [dead] = await fixture.deadLetters(broker);
      assertEquals(dead!.messageId, sent.messageId);
      assertEquals(dead!.messageTimestamp, sent.messageTimestamp);
      assertEquals(dead!.args, [1]);
      assertEquals(dead!.option("tenant"), "a");
      assertEquals(dead!.option("retries"), 2);
      assertStringIncludes(String(dead!.option("traceback")), "RangeError: the last straw");
    },
  },

  requeueToFront: {
    rule: "Consumer.requeue gives messages back to the front of the queue, in order",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2, 3]);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 4 });
      await consumer.requeue(await receiveCount(consumer, 2));
      assertEquals(firstArgs(await receiveCount(consumer, 4)), [0, 1, 2, 3]);
    },
  },

  requeueUnchanged: {
    rule: "Consumer.requeue gives messages back as they were, not as middleware left them",
    async check(fixture) {
      const broker = await fixture.open();
      const message = work(fixture.queueName, { deep: [1, "two", null] });
      await broker.enqueue(message.copy({ options: { tenant: "a" } }));
      await using consumer = broker.consume(fixture.queueName);
      const first = await receiveOne(consumer);
      const before = textOf(first.message.encode());
      first.message = first.message.copy({ options: { retries: 7 } });
      await consumer.requeue([first]);
      const again = await receiveOne(consumer);
      assertEquals(textOf(again.message.encode()), before);
      assert(!again.failed && again.exception === undefined);
    },
  },

  settleTwice: {
    rule: "Consumer settles a message once: whatever comes second does nothing",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, ["acked", "nacked", "requeued", "kept"]);
      const first = broker.consume(fixture.queueName, { prefetch: 4 });
      const [acked, nacked, requeued, kept] = await receiveCount(first, 4);
      await first.ack([acked!]);
      await first.nack([nacked!]);
      await first.requeue([requeued!]);
      const all = [acked!, nacked!, requeued!];
      await first.nack([acked!]);
      await first.ack(all);
      await first.requeue([acked!, nacked!]);
      assertEquals((await fixture.deadLetters(broker)).map((one) => one.args), [["nacked"]]);
      await first.ack([kept!]);
      await first.close();
      await using next = broker.consume(fixture.queueName, { prefetch: 2 });
      await broker.enqueue(work(fixture.queueName, "next"));
      assertEquals(firstArgs(await receiveCount(next, 2)), ["requeued", "next"]);
    },
  },

  settleAfterClose: {
    rule: "Consumer settles nothing after its close: the messages come again",
    async check(fixture) {
      const broker = await fixture.open();
      await sendAll(broker, fixture.queueName, [0, 1, 2]);
      const closed = broker.consume(fixture.queueName, { prefetch: 3 });
      const received = await receiveCount(closed, 3);
      await closed.close();
      await closed.ack(received.slice(0, 1));
      await closed.nack(received.slice(1, 2));
      await closed.requeue(received.slice(2));
      assertEquals(await fixture.deadLetters(broker), []);
      await using next = broker.consume(fixture.queueName, { prefetch: 4 });
      await broker.enqueue(work(fixture.queueName, 3));
      assertEquals(firstArgs(await receiveCount(next, 4)), [0, 1, 2, 3]);
    },
  },
};
