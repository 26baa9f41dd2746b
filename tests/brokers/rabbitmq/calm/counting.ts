import { assertEquals, assertRejects } from "@std/assert";
import { QueueJoinTimeout } from "@dq/dramatiq";
import { receiveCount, receiveOne, work } from "../../../conformance/broker_messages.ts";
import { type FileServer, numbers, Stage } from "../stage.ts";

const HOUR = 3_600_000;

/** Counting, flushing and joining. */
export function counting(file: FileServer): void {
  const { test } = file;

  /** Puts some messages in each state, the delayed ones on the ladder and before it. */
  async function fill(stage: Stage) {
    const broker = stage.open();
    const { queueName } = stage;
    const delays = numbers(4).map((n) => n * HOUR + 30_000);
    for (const delay of delays) await broker.enqueue(work(queueName, delay), { delay });
    const consumer = broker.consume(`${queueName}.DQ`, { prefetch: 10 });
    const receiving = consumer.receive(1);
    await stage.untilCounts(".DQ", 0, 0);
    await broker.enqueueMany(numbers(8).map((n) => work(queueName, n)));
    const working = broker.consume(queueName, { prefetch: 5 });
    const messages = await receiveCount(working, 5);
    await working.nack(messages.slice(0, 2));
    await working.close();
    await stage.untilCounts("", 6);
    await consumer.close();
    assertEquals(await receiving, []);
    await broker.enqueue(work(queueName, "fresh"), { delay: HOUR });
    return broker;
  }

  test("RabbitmqBroker.getQueueMessageCounts counts what is ready, delayed on the ladder or not, and dead", async () => {
    await using stage = new Stage(file);
    const broker = await fill(stage);
    const counts = { ready: 6, delayed: 5, dead: 2 };
    assertEquals(await broker.getQueueMessageCounts(stage.queueName), counts);
    assertEquals(await stage.open().getQueueMessageCounts(stage.queueName), counts);
  });

  test("RabbitmqBroker.getQueueMessageCounts counts nothing of a queue that does not exist", async () => {
    await using stage = new Stage(file);
    const broker = stage.open();
    const none = { ready: 0, delayed: 0, dead: 0 };
    assertEquals(await broker.getQueueMessageCounts(stage.queueName), none);
    await broker.enqueue(work(stage.queueName, 1));
    assertEquals(await broker.getQueueMessageCounts(stage.queueName), { ...none, ready: 1 });
  });

  for (const verb of ["flush", "flushAll"] as const) {
    test(`RabbitmqBroker.${verb} drops everything, the ladder included, and what comes later stays`, async () => {
      await using stage = new Stage(file);
      const broker = await fill(stage);
      await broker[verb](stage.queueName);
      const none = { ready: 0, delayed: 0, dead: 0 };
      assertEquals(await broker.getQueueMessageCounts(stage.queueName), none);
      for (const suffix of await stage.suffixes()) {
        if (!suffix.endsWith(".ladder")) assertEquals((await stage.counts(suffix)).ready, 0);
      }
      await broker.enqueue(work(stage.queueName, 1));
      assertEquals(await broker.getQueueMessageCounts(stage.queueName), { ...none, ready: 1 });
    });
  }

  test("RabbitmqBroker.join waits for what is on the ladder, and for what is being worked on", async () => {
    await using stage = new Stage(file);
    const broker = await fill(stage);
    const soon = { timeout: 50 };
    await assertRejects(() => broker.join(stage.queueName, soon), QueueJoinTimeout);
    await stage.witness.takeAll(stage.queueName);
    await stage.witness.takeAll(`${stage.queueName}.DQ`);
    await assertRejects(() => broker.join(stage.queueName, soon), QueueJoinTimeout);
    await broker.flush(stage.queueName);
    await broker.join(stage.queueName);
  });

  test("RabbitmqBroker.join does not overlook a message that is given back again and again", async () => {
    await using stage = new Stage(file);
    const broker = stage.open();
    const { queueName } = stage;
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
