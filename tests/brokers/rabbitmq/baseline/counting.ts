import { assertEquals, assertRejects } from "@std/assert";
import { QueueJoinTimeout } from "@dq/dramatiq";
import { isNote } from "../../../../brokers/rabbitmq/rungs.ts";
import { receiveCount, receiveOne, work } from "../../../conformance/broker_messages.ts";
import { type FileServer, Fixture, numbers } from "../fixture.ts";

const HOUR = 3_600_000;

/** Counting, flushing and joining. */
export function counting(file: FileServer): void {
  const { test } = file;

  /** Puts some messages in each state, the delayed ones on the ladder and before it. */
  async function fill(fixture: Fixture) {
    const broker = fixture.open();
    const { queueName } = fixture;
    const delays = numbers(4).map((n) => n * HOUR + 30_000);
    for (const delay of delays) await broker.enqueue(work(queueName, delay), { delay });
    const consumer = broker.consume(`${queueName}.DQ`, { prefetch: 10 });
    const receiving = consumer.receive(1);
    await fixture.untilCounts(".DQ", 0, 0);
    await broker.enqueueMany(numbers(8).map((n) => work(queueName, n)));
    const working = broker.consume(queueName, { prefetch: 5 });
    const messages = await receiveCount(working, 5);
    await working.nack(messages.slice(0, 2));
    await working.close();
    await fixture.untilCounts("", 6);
    await consumer.close();
    assertEquals(await receiving, []);
    await broker.enqueue(work(queueName, "fresh"), { delay: HOUR });
    return broker;
  }

  // Reference: RabbitmqBroker.get_queue_message_counts
  test("RabbitmqBroker.getQueueMessageCounts counts what is ready, delayed on the ladder or not, and dead", async () => {
    await using fixture = new Fixture(file);
    const broker = await fill(fixture);
    const counts = { ready: 6, delayed: 5, dead: 2 };
    assertEquals(await broker.getQueueMessageCounts(fixture.queueName), counts);
    assertEquals(await fixture.open().getQueueMessageCounts(fixture.queueName), counts);
  });

  test("RabbitmqBroker.getQueueMessageCounts counts nothing of a queue that does not exist", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const none = { ready: 0, delayed: 0, dead: 0 };
    assertEquals(await broker.getQueueMessageCounts(fixture.queueName), none);
    await broker.enqueue(work(fixture.queueName, 1));
    assertEquals(await broker.getQueueMessageCounts(fixture.queueName), { ...none, ready: 1 });
  });

  for (const verb of ["flush", "flushAll"] as const) {
    test(`RabbitmqBroker.${verb} drops everything, the ladder included, and what comes later stays`, async () => {
      await using fixture = new Fixture(file);
      const broker = await fill(fixture);
      await broker[verb](fixture.queueName);
      const none = { ready: 0, delayed: 0, dead: 0 };
      assertEquals(await broker.getQueueMessageCounts(fixture.queueName), none);
      for (const suffix of await fixture.suffixes()) {
        if (isNote(fixture.queueName + suffix)) continue;
        assertEquals((await fixture.counts(suffix)).ready, 0, suffix);
      }
      await broker.enqueue(work(fixture.queueName, 1));
      assertEquals(await broker.getQueueMessageCounts(fixture.queueName), { ...none, ready: 1 });
    });
  }

  test("RabbitmqBroker.join waits for what is on the ladder, and for what is being worked on", async () => {
    await using fixture = new Fixture(file);
    const broker = await fill(fixture);
    const soon = { timeout: 50 };
    await assertRejects(() => broker.join(fixture.queueName, soon), QueueJoinTimeout);
    await fixture.inspector.takeAll(fixture.queueName);
    await fixture.inspector.takeAll(`${fixture.queueName}.DQ`);
    await assertRejects(() => broker.join(fixture.queueName, soon), QueueJoinTimeout);
    await broker.flush(fixture.queueName);
    await broker.join(fixture.queueName);
  });

  test("RabbitmqBroker.join does not overlook a message that is given back again and again", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    await broker.enqueue(work(queueName, 1));
    await using consumer = broker.consume(queueName);
    let hasJoined = false;
    const joining = broker.join(queueName).then(() => hasJoined = true);
    for (let round = 0; round < 500; round++) {
      await consumer.requeue([await receiveOne(consumer)]);
      assertEquals(hasJoined, false, `round ${round}`);
    }
    await consumer.ack([await receiveOne(consumer)]);
    await joining;
  });
}
