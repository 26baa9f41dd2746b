import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { type Encoded, Message, UndecodableMessage } from "@dq/dramatiq";
import vectors from "../vectors/messages.json" with { type: "json" };
import type { Rules } from "./broker_harness.ts";
import { receiveCount, receiveOne, textOf, work } from "./broker_messages.ts";

/** Not UTF-8, and so not JSON: text cannot represent it. */
const GARBAGE = new Uint8Array([0xff, 0x00, 0x7b, 0xfe, 0x0a]);
/**
 * Spellings that JavaScript values alone would lose: spellings of numbers, and the order of keys.
 * `NaN` is for a decoder of its own, so there is one with and one without.
 */
const SPELLINGS = [
  '"args":[1.0,12345678901234567890,1e+16,-0.0],"kwargs":{"b":1.0,"10":2,"2":3}',
  '"args":[NaN,-Infinity,[2.0]],"kwargs":{"b":123456789012345678901234567890,"10":2,"2":3}',
];

/** Messages of arguments as only Python spells them. */
export function spelledMessages(queueName: string, actorName: string): Message[] {
  return SPELLINGS.map((spelling) =>
    Message.decode(
      `{"queue_name":"${queueName}","actor_name":"${actorName}",${spelling},"options":{},` +
        `"message_id":"${crypto.randomUUID()}","message_timestamp":1700000000000}`,
    )
  );
}

/** Makes sure that messages still have the arguments of {@linkcode spelledMessages}. */
export function assertSpelled(messages: readonly Message[]): void {
  assertEquals(messages.length, SPELLINGS.length);
  for (const [i, message] of messages.entries()) {
    assertStringIncludes(textOf(message.encode()), SPELLINGS[i]!);
  }
}

/** Rules of what messages can hold. */
export const payloads: Rules = {
  goldenMessages: {
    rule: "Broker carries every message of messages.json without changing a byte",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      await using consumer = broker.consume(queueName);
      for (const { utf8, label } of vectors.cases) {
        const original = Message.decode(utf8);
        if (original.option("eta") !== undefined) continue; // rules of their own are about delays
        await broker.enqueue(original.copy({ queueName }));
        const received = await receiveOne(consumer);
        const changes = {
          queueName: original.queueName,
          // Brokers may add options of their own.
          options: { redisMessageId: original.option("redisMessageId") as string | undefined },
        };
        assertEquals(textOf(received.message.copy(changes).encode()), utf8, label);
        await consumer.ack([received]);
      }
    },
  },

  unicode: {
    rule: "Broker carries any text, lone surrogates and control characters included",
    async check(fixture) {
      const texts = [
        "",
        "zażółć gęślą jaźń",
        "😀",
        "\ud83d",
        "\ude00\ud83d",
        '\0\x1f"\\\u2028\x7f',
      ];
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName, ...texts, { "ключ\ud800": "значение" }));
      await using consumer = broker.consume(fixture.queueName);
      const { args } = await receiveOne(consumer);
      assertEquals(args, [...texts, { "ключ\ud800": "значение" }]);
    },
  },

  noArguments: {
    rule: "Broker carries messages without arguments",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName));
      await using consumer = broker.consume(fixture.queueName);
      const received = await receiveOne(consumer);
      assertEquals(received.args, []);
      assertEquals({ ...received.kwargs }, {});
    },
  },

  unknownOptions: {
    rule: "Broker carries keyword arguments, and options unknown to this library",
    async check(fixture) {
      const broker = await fixture.open();
      const message = new Message({
        queueName: fixture.queueName,
        actorName: "work",
        args: [1],
        kwargs: { size: 2 },
        options: { tenant: { id: 7 }, maxRetries: 3 },
      });
      await broker.enqueue(message);
      await using consumer = broker.consume(fixture.queueName);
      const received = await receiveOne(consumer);
      assertEquals({ ...received.kwargs }, { size: 2 });
      assertEquals(received.option("tenant"), { id: 7 });
      assertEquals(received.option("maxRetries"), 3);
      assertEquals(received.messageId, message.messageId);
      assertEquals(received.messageTimestamp, message.messageTimestamp);
    },
  },

  megabyte: {
    rule: "Broker carries messages of a megabyte, in order among small ones",
    async check(fixture) {
      const broker = await fixture.open();
      const large = "0123456789abcdef".repeat(65_536);
      await broker.enqueueMany(
        ["small", large, "last"].map((text) => work(fixture.queueName, text)),
      );
      await using consumer = broker.consume(fixture.queueName, { prefetch: 3 });
      const received = await receiveCount(consumer, 3);
      const lengths = received.map((message) => String(message.args[0]).length);
      assertEquals(lengths, [5, large.length, 4]);
      assertEquals(received[1]!.args[0] === large, true); // without a diff of megabytes
    },
  },

  spellingThroughRequeue: {
    rule: "Broker keeps the spelling of numbers and the order of keys through a requeue",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueueMany(spelledMessages(fixture.queueName, "work"));
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const first = await receiveCount(consumer, 2);
      assertSpelled(first.map((one) => one.message));
      await consumer.requeue(first);
      const again = await receiveCount(consumer, 2);
      assertSpelled(again.map((one) => one.message));
    },
  },

  spellingInDeadLetter: {
    rule: "Broker keeps the spelling of numbers and the order of keys in dead letters",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueueMany(spelledMessages(fixture.queueName, "work"));
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      const messages = await receiveCount(consumer, 2);
      for (const message of messages) message.stuffException(new Error("no more attempts"));
      await consumer.nack(messages);
      const order = messages.map(({ messageId }) => messageId);
      const dead = (await fixture.deadLetters(broker)).toSorted((a, b) =>
        order.indexOf(a.messageId) - order.indexOf(b.messageId)
      );
      assertSpelled(dead);
      for (const message of dead) {
        assertStringIncludes(String(message.option("traceback")), "no more attempts");
      }
    },
  },

  undecodable: {
    rule: "Consumer.receive gives an UndecodableMessage for what is no message",
    needs: "putRaw",
    async check(fixture) {
      const broker = await fixture.open();
      const { harness, queueName } = fixture;
      await using consumer = broker.consume(queueName);
      for (const data of [GARBAGE, "no json", "[]", '{"queue_name":1}']) {
        await harness.putRaw!(broker, queueName, data);
        const received = await receiveOne(consumer);
        assertInstanceOf(received.message, UndecodableMessage);
        assertEquals(received.queueName, queueName);
        assertEquals(bytesOf(received.message.error.data), bytesOf(data));
        await consumer.ack([received]);
      }
      await broker.enqueue(work(queueName, "sound"));
      assertEquals((await receiveOne(consumer)).args, ["sound"]);
    },
  },

  undecodableKept: {
    rule: "Consumer.nack keeps the bytes of what is no message; requeue does, too",
    needs: "putRaw",
    async check(fixture) {
      const broker = await fixture.open();
      await fixture.harness.putRaw!(broker, fixture.queueName, GARBAGE);
      await using consumer = broker.consume(fixture.queueName);
      await consumer.requeue([await receiveOne(consumer)]);
      const again = await receiveOne(consumer);
      again.fail();
      await consumer.nack([again]);
      const [dead] = await fixture.deadLetters(broker);
      assertEquals(bytesOf(dead!.encode()), bytesOf(GARBAGE));
    },
  },
};

function bytesOf(data: Encoded): number[] {
  return [...(typeof data === "string" ? new TextEncoder().encode(data) : data)];
}
