import { assertEquals, assertRejects } from "@std/assert";
import { actor, ConnectionClosed, Worker } from "@dq/dramatiq";
import { missingQueueOf, unreachableQueueOf } from "../../../../brokers/rabbitmq/errors.ts";
import { receiveOne, work } from "../../../conformance/broker_messages.ts";
import type { TappedMethod } from "../../../support/servers/amqp_tap.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";

const declaredBy = (methods: readonly TappedMethod[]) =>
  methods.filter(({ method, args }) => method === "queue_declare" && !args["passive"])
    .map(({ args }) => args["queue"]);

/** The queue of that name, as `Q`, in Erlang. */
const findQueue = (name: string) =>
  `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${name}">>))`;

/** Has its supervisor stop a classic queue, as happens when the node of the queue is stopped. */
const stopQueue = (name: string) =>
  `${findQueue(name)}, {dictionary, D} = process_info(amqqueue:get_pid(Q), dictionary),
   [Own, All | _] = proplists:get_value('$ancestors', D), supervisor:terminate_child(All, Own).`;

/** Deletes a queue whose process is stopped; versions of RabbitMQ differ in the first argument. */
const removeQueue = (name: string) =>
  `${findQueue(name)}, try rabbit_amqqueue:internal_delete(amqqueue:get_name(Q), <<"test">>)
   catch _:_ -> rabbit_amqqueue:internal_delete(Q, <<"test">>) end.`;

/** When queues are declared. */
export function declaring(file: FileServer): void {
  const { test } = file;

  test("RabbitmqBroker does not connect, and declares nothing, before something is sent, received or counted", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap } = await fixture.openTapped();
    const { queueName } = fixture;
    actor(() => {}, { broker, queueName, actorName: "work" });
    const consumers = [broker.consume(queueName), broker.consume(`${queueName}.DQ`)];
    for (const consumer of consumers) await consumer.close();
    await broker.close();
    assertEquals(tap.methods, []);
    assertEquals(await fixture.suffixes(), []);
  });

  test("RabbitmqBroker declares the three queues once for all that is sent at the same time", async () => {
    await using fixture = new Fixture(file);
    const { broker, tap } = await fixture.openTapped();
    const { queueName } = fixture;
    await Promise.all([
      ...numbers(50).map((n) => broker.enqueue(work(queueName, n))),
      broker.enqueueMany(numbers(50).map((n) => work(queueName, 50 + n))),
      broker.enqueue(work(queueName, "late"), { delay: 60_000 }),
    ]);
    assertEquals(declaredBy(tap.methods), [queueName, `${queueName}.DQ`, `${queueName}.XQ`]);
    assertEquals((await fixture.counts()).ready, 100);
  });

  test("RabbitmqBroker.enqueue declares a queue again that was deleted, and stores all, each once", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName, inspector } = fixture;
    await broker.enqueue(work(queueName, "before"));
    for (const lost of [queueName, `${queueName}.DQ`]) {
      await inspector.delete(lost);
      await Promise.all(numbers(200).map((n) => broker.enqueue(work(queueName, n))));
      await broker.enqueueMany(numbers(20).map((n) => work(queueName, n)), { delay: 600_000 });
    }
    const stored = (await inspector.firstArgs(queueName) as number[]).toSorted((a, b) => a - b);
    assertEquals(stored, numbers(200).flatMap((n) => [n, n])); // two rounds
    assertEquals((await fixture.counts(".DQ")).ready, 20); // what was there before is gone with it
  });

  test("RabbitmqBroker dead-letters although the queue of dead letters was deleted", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName, inspector } = fixture;
    await broker.enqueue(work(queueName, 1));
    const consumer = broker.consume(queueName);
    const messages = await consumer.receive(1);
    await inspector.delete(`${queueName}.XQ`);
    await consumer.nack(messages);
    await fixture.untilCounts(".XQ", 1);
    await fixture.untilCounts("", 0);
  });

  test("RabbitmqBroker sends to a queue whose delay queue and dead letters are stopped", async () => {
    await using fixture = new Fixture(file);
    const { console } = file;
    const { queueName } = fixture;
    await fixture.open().getQueueMessageCounts(queueName);
    const stopped = [`${queueName}.DQ`, `${queueName}.XQ`];
    for (const name of stopped) await console.evaluate(stopQueue(name));
    try {
      const broker = fixture.open();
      await broker.enqueue(work(queueName, 1));
      await using consumer = broker.consume(queueName);
      assertEquals((await receiveOne(consumer)).args, [1]);
      await assertRejects(
        () => broker.enqueue(work(queueName, 2), { delay: 1_000 }),
        ConnectionClosed,
        `queue '${queueName}.DQ' in vhost '/' process is stopped by supervisor`,
      );

      // Others can be counted, and searched.
      await broker.enqueue(work(queueName, 3));
      const other = `${queueName}_2`;
      await broker.enqueue(work(other, 4));
      await using reader = broker.inspect();
      const { queues } = await reader.overview({ queueNames: [other] });
      assertEquals(
        queues.map((one) => [one.queueName, one.ready, one.delayed, one.dead]),
        [[queueName, 1, undefined, undefined], [other, 1, 0, 0]],
      );
      const { messages, isComplete } = await reader.find("an id");
      assertEquals([messages, isComplete], [[], false]);
      await broker.flush(other);
    } finally {
      for (const name of stopped) await console.evaluate(removeQueue(name));
    }
  });

  test("unreachableQueueOf tells queues that are unavailable from those that do not exist", () => {
    const unavailable = [
      "NOT_FOUND - home node 'rabbit@a' of durable queue 'q.DQ' in vhost '/' is down or inaccessible",
      "NOT_FOUND - queue 'q.DQ' in vhost '/' process is stopped by supervisor",
      "NOT_FOUND - queue 'q.DQ' in vhost '/' has crashed and failed to restart",
    ].map((text) => new Error(`Operation failed: QueueDeclare; 404 (NOT-FOUND) with "${text}"`));
    assertEquals(unavailable.map(unreachableQueueOf), ["q.DQ", "q.DQ", "q.DQ"]);
    assertEquals(unavailable.map(missingQueueOf), [undefined, undefined, undefined]);
    const missing = new Error("404 (NOT-FOUND) with \"NOT_FOUND - no queue 'q.DQ' in vhost '/'\"");
    assertEquals(unreachableQueueOf(missing), undefined);
    assertEquals(missingQueueOf(missing), "q.DQ");
  });

  test("Worker goes on by itself when its queues are deleted", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open();
    const { queueName, inspector } = fixture;
    const ran: unknown[] = [];
    const note = actor((n: unknown) => void ran.push(n), {
      ...{ broker, queueName, actorName: "note" },
    });
    await using worker = new Worker(broker);
    await worker.start();
    await note.send("first");
    await eventually("run it", () => ran.length === 1);
    await inspector.delete(queueName, `${queueName}.DQ`);
    await note.send("second");
    await note.sendWithOptions({ args: ["third"], delay: 10 });
    await eventually("run those sent later", () => ran.length === 3);
    assertEquals(ran, ["first", "second", "third"]);
    await worker.stop();
  });
}
