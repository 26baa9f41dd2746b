import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { actor, ConnectionClosed, decodeFromQueue, UndecodableMessage, Worker } from "@dq/dramatiq";
import { firstArgs, receiveCount, receiveOne, work } from "../../../conformance/broker_messages.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";

/** Consumers receive. */
export function consuming(file: FileServer): void {
  const { test } = file;

  test("RabbitmqBroker gives messages by their broker priority, then in order", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ maxPriority: 10 });
    const note = actor((_n: number) => {}, {
      ...{ broker, queueName: fixture.queueName, actorName: "note" },
    });
    for (const [n, brokerPriority] of [0, 5, 10, 5, 200, 1].entries()) {
      await note.sendWithOptions({ args: [n], brokerPriority });
    }
    const consumer = broker.consume(fixture.queueName, { prefetch: 10 });
    assertEquals(firstArgs(await receiveCount(consumer, 6)), [2, 4, 1, 3, 5, 0]);
  });

  test("RabbitmqBroker asks the server for as many messages as the prefetch says", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    await broker.enqueueMany(numbers(50).map((n) => work(fixture.queueName, n)));
    const consumer = broker.consume(fixture.queueName, { prefetch: 20 });
    const [first] = await consumer.receive(1);
    await fixture.untilCounts("", 30, 20);
    await consumer.ack([first!]);
    await fixture.untilCounts("", 29, 20);
    await consumer.close();
    await fixture.untilCounts("", 49, 0);
    // What comes back has its old place.
    assertEquals(await fixture.inspector.firstArgs(fixture.queueName), numbers(50).slice(1));
  });

  test("RabbitmqBroker has two connections, whatever it sends to and however many queues it works on", async () => {
    await using fixture = new Fixture(file);
    const untilAlone = (what: string) =>
      eventually(what, async () => await file.console.countConnections() === 0);
    await untilAlone("see the connections of earlier tests end");
    const broker = fixture.open();
    const names = numbers(5).map((n) => `${fixture.queueName}.${n}`);
    const ran: string[] = [];
    const actors = names.map((queueName) => {
      return actor(() => void ran.push(queueName), { broker, queueName, actorName: queueName });
    });
    await Promise.all(actors.map((one) => one.send()));
    assertEquals(await file.console.countConnections(), 1);
    await using worker = new Worker(broker);
    await worker.start();
    await Promise.all(actors.map((one) => one.sendWithOptions({ delay: 1 })));
    await eventually("run everything", () => ran.length === 10);
    assertEquals(await file.console.countConnections(), 2);
    await worker.stop();
    await broker.close();
    await untilAlone("close all connections");
  });

  test("RabbitmqBroker's consumer tells that its queue was deleted, and another one starts again", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName, inspector } = fixture;
    const consumer = broker.consume(queueName, { prefetch: 10 });
    await broker.enqueue(work(queueName, 1));
    const message = await receiveOne(consumer);
    const failure = assertRejects(() => consumer.receive(1), ConnectionClosed, queueName);
    await inspector.delete(queueName);
    await failure;
    assertEquals(consumer.isLost, true);
    await assertRejects(() => consumer.ack([message]), ConnectionClosed);
    await consumer.close();

    await using another = broker.consume(queueName);
    const next = receiveOne(another);
    await eventually("listen again", async () => (await fixture.counts()).consumers === 1);
    await broker.enqueue(work(queueName, 2));
    assertEquals((await next).args, [2]);
  });

  test("RabbitmqBroker gives data that is no message as such, and dead-letters it as it is", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName, inspector } = fixture;
    const bad = [Uint8Array.of(0xff, 0xfe, 0), new Uint8Array(), "{}", "[1"];
    const ran: unknown[] = [];
    actor((n: unknown) => void ran.push(n), { broker, queueName, actorName: "work" });
    await broker.enqueue(work(queueName, "before"));
    await inspector.put(queueName, ...bad);
    await broker.enqueue(work(queueName, "after"));

    const consumer = broker.consume(queueName, { prefetch: 10 });
    const messages = await receiveCount(consumer, 6);
    for (const { message } of messages.slice(1, 5)) assertInstanceOf(message, UndecodableMessage);
    await consumer.close();

    await using worker = new Worker(broker);
    await worker.start();
    await broker.join(queueName);
    assertEquals(ran, ["before", "after"]);
    const dead = await inspector.takeAll(`${queueName}.XQ`);
    assertEquals(
      dead.map(({ content }) => [...content]),
      bad.map((data) => [...typeof data === "string" ? new TextEncoder().encode(data) : data]),
    );
    for (const { properties } of dead) {
      const [death] = properties.headers!["x-death"]!;
      assertEquals([death!.queue, death!.reason], [queueName, "rejected"]);
      assertEquals(properties.deliveryMode, 2);
    }
    await worker.stop();
  });

  test("RabbitmqBroker's dead letters carry the last failure, and the priority that they had", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ maxPriority: 5 });
    const { queueName, inspector } = fixture;
    const fail = actor(() => {
      throw new Error("always");
    }, { broker, queueName, actorName: "fail", maxRetries: 1, minBackoff: 1, maxBackoff: 1 });
    await fail.sendWithOptions({ brokerPriority: 3 });
    await using worker = new Worker(broker);
    await worker.start();
    await broker.join(queueName);
    const [dead, ...others] = await inspector.takeAll(`${queueName}.XQ`);
    assertEquals(others, []);
    const { options } = decodeFromQueue(queueName, dead!.content);
    assertEquals(options.retries, 2);
    assertEquals(String(options.traceback).includes("always"), true);
    assertEquals(dead!.properties.priority, 3);
    await worker.stop();
  });

  test("Worker.pause takes nothing off RabbitMQ any more, and acknowledges what runs", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    const release = Promise.withResolvers<void>();
    const ran: number[] = [];
    const slow = actor(async (n: number) => {
      ran.push(n);
      await release.promise;
    }, { broker, queueName, actorName: "slow" });
    await using worker = new Worker(broker, { concurrency: 2 });
    await worker.start();
    await slow.sendMany([[0], [1], [2], [3]]);
    await eventually("run two", () => ran.length === 2);
    await fixture.untilCounts("", 0, 4);
    worker.pause();
    await slow.sendMany([[4], [5]]);
    await fixture.untilCounts("", 4, 2); // what runs, and nothing else
    assertEquals([(await fixture.counts()).consumers, (await fixture.counts(".DQ")).consumers], [
      0,
      0,
    ]);
    release.resolve();
    await fixture.untilCounts("", 4, 0);
    worker.resume();
    await broker.join(queueName);
    assertEquals(ran.toSorted(), [0, 1, 2, 3, 4, 5]);
    await worker.stop();
  });

  test("Worker.pause and resume lose and repeat nothing, however often and quickly they come", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    const ran: number[] = [];
    const note = actor((n: number) => void ran.push(n), {
      ...{ broker, queueName, actorName: "note" },
    });
    await using worker = new Worker(broker, { concurrency: 2 });
    await worker.start();
    for (let round = 0; round < 50; round++) {
      const sending = note.sendMany(numbers(20).map((n) => [20 * round + n]));
      worker.pause();
      if (round % 3 === 0) await sending;
      worker.resume();
      if (round % 3 === 1) await sending;
      worker.pause();
      await sending;
      worker.resume();
    }
    await broker.join(queueName);
    assertEquals(ran.toSorted((a, b) => a - b), numbers(1_000));
    await worker.stop();
  });

  test("Worker.stop leaves to others what it has not begun, while an actor takes long to end", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName } = fixture;
    const release = Promise.withResolvers<void>();
    const slow = actor(() => release.promise, { broker, queueName, actorName: "slow" });
    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await slow.sendMany([[], [], []]);
    await fixture.untilCounts("", 1, 2);
    const stopping = worker.stop();
    await fixture.untilCounts("", 2, 1);
    release.resolve();
    await stopping;
    await fixture.untilCounts("", 2, 0);
  });
}
