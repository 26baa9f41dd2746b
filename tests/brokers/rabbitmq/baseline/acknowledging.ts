import { assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { actor, ConnectionClosed, type MessageProxy, Worker } from "@dq/dramatiq";
import { receiveCount, receiveOne, work } from "../../../conformance/broker_messages.ts";
import type { TappedMethod } from "../../../support/servers/amqp_tap.ts";
import { Random } from "../../../torture/random.ts";
import { textOf, withLog } from "../../../support/log.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";

/** Methods that a client sent to settle messages. */
const settlementsIn = (methods: readonly TappedMethod[]) =>
  methods.filter(({ from, method }) =>
    from === "client" && /^basic_(ack|nack|reject)$/.test(method)
  );

/**
 * Reads all that was said about deliveries, and makes sure that every settlement is of
 * one that is open on that channel.
 *
 * @returns How many deliveries are open in the end.
 */
function checkSettlements(methods: readonly TappedMethod[]): number {
  const open = new Map<string, Set<number>>();
  for (const { connection, channel, from, method, args } of methods) {
    const key = `${connection}/${channel}`;
    const tag = args["delivery_tag"] as number;
    if (method === "basic_deliver") {
      open.set(key, (open.get(key) ?? new Set()).add(tag));
    } else if (from === "client" && tag !== undefined) {
      const tags = open.get(key) ?? new Set();
      const settled = args["multiple"] ? [...tags].filter((one) => one <= tag) : [tag];
      for (const one of settled) {
        assertEquals(tags.delete(one), true, `${key} settles ${one} twice`);
      }
      assertEquals(settled.length > 0, true, `${key} settles nothing with ${tag}`);
    }
  }
  return [...open.values()].reduce((sum, tags) => sum + tags.size, 0);
}

/** Messages are acknowledged, rejected and given back. */
export function acknowledging(file: FileServer): void {
  const { test } = file;

  async function receive(fixture: Fixture, count: number) {
    const { broker, tap } = await fixture.openTapped();
    await broker.enqueueMany(numbers(count).map((n) => work(fixture.queueName, n)));
    const consumer = broker.consume(fixture.queueName, { prefetch: count });
    const messages = await receiveCount(consumer, count);
    return { broker, tap, consumer, messages };
  }

  test("RabbitmqBroker acknowledges many messages with one word", async () => {
    await using fixture = new Fixture(file);
    const { tap, consumer, messages } = await receive(fixture, 500);
    await consumer.ack(messages);
    await fixture.untilCounts("", 0);
    const sent = settlementsIn(tap.methods).map(({ args }) => args);
    assertEquals(sent, [{ delivery_tag: 500, multiple: true }]);
  });

  test("Consumer.nack waits until the dead letter queue takes messages, and gives none back", async () => {
    await using fixture = new Fixture(file);
    const { consumer, messages } = await receive(fixture, 3);
    const { queueName } = fixture;
    await consumer.nack(messages.slice(0, 1));
    const policy = { "max-length": 1, "overflow": "reject-publish" };
    await file.console.setPolicy("dead", `^${queueName}`, policy);
    await withLog({ category: ["dramatiq", "rabbitmq"], lowestLevel: "error" }, async (lines) => {
      const nacked = consumer.nack(messages.slice(1));
      await eventually("try for some seconds", () => lines.length > 0);
      assertStringIncludes(textOf(lines[0]!), `Retrying to store dead letters of ${queueName}`);
      await file.console.clearPolicy("dead");
      await nacked;
      assertEquals(lines.length, 1);
    });
    assertEquals(consumer.isLost, false);
    await fixture.untilCounts(".XQ", 3);
    await fixture.untilCounts("", 0);
  });

  test("Worker acknowledges in batches, each message once", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap } = await fixture.openTapped();
    const noop = actor(() => {}, { broker, queueName: fixture.queueName, actorName: "noop" });
    await noop.sendMany(numbers(2_000).map(() => []));
    await using worker = new Worker(broker, { concurrency: 50 });
    await worker.start();
    await fixture.untilCounts("", 0);
    assertLess(settlementsIn(tap.methods).length, 1_000);
    assertEquals(checkSettlements(tap.methods), 0);
    await worker.stop();
  });

  test("RabbitmqBroker acknowledges no message that is open, however it is among those that are done", async () => {
    await using fixture = new Fixture(file);
    const { tap, consumer, messages } = await receive(fixture, 100);
    await consumer.ack(messages.filter((_message, i) => i !== 50));
    await fixture.untilCounts("", 0, 1);
    assertEquals(checkSettlements(tap.methods), 1);
    await consumer.ack([messages[50]!]);
    await fixture.untilCounts("", 0, 0);
    assertEquals(checkSettlements(tap.methods), 0);
  });

  test("RabbitmqBroker settles each message once and as it was told, in any order", async () => {
    const random = new Random(11);
    await using fixture = new Fixture(file);
    const { tap, consumer, messages } = await receive(fixture, 400);
    const verbs = ["ack", "ack", "ack", "nack", "requeue"] as const;
    const told = new Map<MessageProxy, typeof verbs[number]>();
    let left = random.shuffle(messages);
    while (left.length > 0) {
      const size = random.between(1, 30);
      const verb = random.pick(verbs);
      const some = left.slice(0, size);
      left = left.slice(size);
      for (const message of some) told.set(message, verb);
      const settled = consumer[verb](some);
      if (random.chance(0.5)) await settled;
    }
    // What was given back is delivered again, for there is room.
    const argsOf = (verb: string) =>
      messages.filter((message) => told.get(message) === verb).map(({ args }) => args[0]);
    const again = await receiveCount(consumer, argsOf("requeue").length);
    await fixture.untilCounts("", 0, again.length);
    const sorted = (values: readonly unknown[]) => (values as number[]).toSorted((a, b) => a - b);
    assertEquals(sorted(again.map(({ args }) => args[0])), sorted(argsOf("requeue")));
    assertEquals(
      sorted(await fixture.inspector.firstArgs(`${fixture.queueName}.XQ`)),
      sorted(argsOf("nack")),
    );
    assertEquals(checkSettlements(tap.methods), again.length);
    await consumer.ack(again);
    await fixture.untilCounts("", 0, 0);
  });

  test("RabbitmqBroker sends nothing for what is settled already, nor for what a closed consumer had", async () => {
    await using fixture = new Fixture(file);
    const { tap, consumer, messages } = await receive(fixture, 4);
    const [one, two, three, four] = messages as [MessageProxy, ...MessageProxy[]];
    await consumer.ack([one]);
    await consumer.nack([two!]);
    await fixture.untilCounts("", 0, 2);
    const before = settlementsIn(tap.methods).length;
    for (const verb of ["ack", "nack", "requeue"] as const) await consumer[verb]([one, two!]);
    await consumer.close();
    for (const verb of ["ack", "nack", "requeue"] as const) await consumer[verb]([three!, four!]);
    await fixture.untilCounts("", 2);
    assertEquals(settlementsIn(tap.methods).length, before);
    assertEquals((await fixture.counts(".XQ")).ready, 1);
  });

  test("RabbitmqBroker never acknowledges on a new channel what came over an old one", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap, consumer, messages } = await receive(fixture, 10);
    await consumer.ack(messages.slice(0, 2));
    await fixture.untilCounts("", 0, 8);
    tap.cut();
    await fixture.untilCounts("", 8);
    await assertRejects(() => consumer.ack(messages.slice(2, 5)), ConnectionClosed);
    await using another = broker.consume(fixture.queueName, { prefetch: 1 });
    const again = await receiveOne(another);
    await consumer.nack(messages.slice(5)).catch(() => {}); // It may say so, or not.
    await another.ack([again]);
    await consumer.close();
    await fixture.untilCounts("", 6, 1); // The consumer has room for the next one.
    checkSettlements(tap.methods);
    assertEquals((await fixture.counts(".XQ")).ready, 0);
  });
}
