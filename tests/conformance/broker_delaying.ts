import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { delayQueueName } from "../../core/queue_names.ts";
import { assertSpelled, spelledMessages } from "./broker_payloads.ts";
import type { Rules } from "./broker_harness.ts";
import { firstArgs, moveDelayed, receiveCount, receiveOne, work } from "./broker_messages.ts";

const HOUR = 3_600_000;

/** Messages that wait for their time. Source: scenario `delay` of redis_broker.json. */
export const delaying: Rules = {
  delayStored: {
    rule: "Broker.enqueue stores a delayed message under the delay queue, with its eta",
    async check(fixture) {
      const broker = await fixture.open();
      const message = work(fixture.queueName, 1).copy({ options: { tenant: "a" } });
      const before = broker.clock.now();
      const stored = await broker.enqueue(message, { delay: 5_000 });
      const after = broker.clock.now();
      assertEquals(stored.queueName, `${fixture.queueName}.DQ`);
      assertEquals(stored.messageId, message.messageId);
      assertEquals(stored.args, [1]);
      assertEquals(stored.option("tenant"), "a");
      const eta = stored.option("eta") as number;
      assert(Number.isInteger(eta), `eta is ${eta}`);
      assertGreaterOrEqual(eta, before + 5_000);
      assertLessOrEqual(eta, after + 5_000);
      assertEquals(message.option("eta"), undefined);
    },
  },

  delayZero: {
    rule: "Broker.enqueue sends a delay of 0 through the delay queue, too",
    async check(fixture) {
      const broker = await fixture.open();
      const stored = await broker.enqueue(work(fixture.queueName, 1), { delay: 0 });
      assertEquals(stored.queueName, `${fixture.queueName}.DQ`);
      assertEquals(typeof stored.option("eta"), "number");
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName);
      assertEquals((await receiveOne(consumer)).args, [1]);
    },
  },

  delayUntilEta: {
    rule: "Broker delivers a delayed message not before its eta, and as it was sent",
    async check(fixture) {
      const broker = await fixture.open();
      const message = work(fixture.queueName, 1).copy({ options: { tenant: "a" } });
      const stored = await broker.enqueue(message, { delay: 150 });
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName);
      const received = await receiveOne(consumer);
      assertGreaterOrEqual(broker.clock.now(), stored.option("eta") as number);
      assertEquals(received.queueName, fixture.queueName);
      assertEquals(received.messageId, message.messageId);
      assertEquals(received.messageTimestamp, message.messageTimestamp);
      assertEquals(received.option("tenant"), "a");
      assertEquals(received.option("eta"), undefined);
    },
  },

  delaySpelling: {
    rule: "Broker keeps the spelling of numbers and the order of keys through a delay",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueueMany(spelledMessages(fixture.queueName, "work"), { delay: 1 });
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      assertSpelled((await receiveCount(consumer, 2)).map((one) => one.message));
    },
  },

  delayOrder: {
    rule: "Broker delivers delayed messages in the order of their etas, not of sending",
    async check(fixture) {
      const broker = await fixture.open();
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      const stored = [];
      for (const delay of [900, 300, 600]) {
        stored.push(await broker.enqueue(work(fixture.queueName, delay), { delay }));
      }
      await using consumer = broker.consume(fixture.queueName, { prefetch: 3 });
      const byEta = stored.toSorted((a, b) => Number(a.option("eta")) - Number(b.option("eta")));
      const received = await receiveCount(consumer, 3);
      assertEquals(firstArgs(received), byEta.map((message) => message.args[0]));
    },
  },

  delayWakes: {
    rule: "Broker delivers a nearer message to a consumer that waits for a later one",
    async check(fixture) {
      const broker = await fixture.open();
      await broker.enqueue(work(fixture.queueName, "far"), { delay: HOUR });
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName);
      const waiting = consumer.receive(1);
      await broker.enqueue(work(fixture.queueName, "near"), { delay: 50 });
      assertEquals(firstArgs(await waiting), ["near"]);
    },
  },

  delayFarFuture: {
    rule: "Broker lets no number of far-future messages keep a nearer one from its time",
    async check(fixture) {
      const broker = await fixture.open();
      const far = Array.from({ length: 500 }, (_, i) => work(fixture.queueName, i));
      await broker.enqueueMany(far, { delay: HOUR });
      await broker.enqueueMany(far, { delay: 400 * 24 * HOUR });
      // What moves delayed messages has a prefetch of 10: a broker that hands out what is not due is stuck.
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName);
      const before = await broker.enqueue(work(fixture.queueName, "near"), { delay: 50 });
      assertEquals((await receiveOne(consumer)).messageId, before.messageId);
    },
  },

  delayOutlivesConsumer: {
    rule: "Broker keeps delayed messages when the consumer of the delay queue closes",
    async check(fixture) {
      const broker = await fixture.open();
      const closed = broker.consume(delayQueueName(fixture.queueName), { prefetch: 10 });
      const waiting = closed.receive(10);
      const messages = ["first", "second"].map((text) => work(fixture.queueName, text));
      await broker.enqueueMany(messages, { delay: 100 });
      await closed.close();
      await waiting;
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 2 });
      assertEquals(firstArgs(await receiveCount(consumer, 2)), ["first", "second"]);
    },
  },

  delayOddEtas: {
    rule: "Broker takes an eta that is no number, or below 0, for one that has come",
    async check(fixture) {
      const broker = await fixture.open();
      const { queueName } = fixture;
      const etas: unknown[] = ["soon", "99999999999999", null, {}, [], true, NaN, -5, -1e300, 0];
      const messages = etas.map((eta, i) =>
        work(queueName, i).copy({ options: { eta } as object })
      );
      await broker.enqueueMany(messages); // on the queue itself, as other programs may
      await broker.enqueueMany(
        messages.map((one) => one.copy({ queueName: delayQueueName(queueName), messageId: "d" })),
      );
      await using _confirmedPublisher = moveDelayed(broker, queueName);
      const count = 2 * etas.length;
      await using consumer = broker.consume(queueName, { prefetch: count });
      const received = firstArgs(await receiveCount(consumer, count)) as number[];
      const each = etas.flatMap((_eta, i) => [i, i]);
      assertEquals(received.toSorted((a, b) => a - b), each);
    },
  },

  delayMany: {
    rule: "Broker delivers delayed messages that are due at the same time in order of sending",
    async check(fixture) {
      const broker = await fixture.open();
      const values = Array.from({ length: 200 }, (_, i) => i);
      const messages = values.map((value) => work(fixture.queueName, value));
      const eta = { options: { eta: broker.clock.now() + 50 } };
      const queueName = delayQueueName(fixture.queueName);
      await broker.enqueueMany(messages.map((one) => one.copy({ queueName, ...eta })));
      await using _confirmedPublisher = moveDelayed(broker, fixture.queueName);
      await using consumer = broker.consume(fixture.queueName, { prefetch: 200 });
      assertEquals(firstArgs(await receiveCount(consumer, 200)), values);
    },
  },
};
