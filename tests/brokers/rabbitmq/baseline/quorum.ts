import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { firstArgs, receiveCount, receiveOne, work } from "../../../conformance/broker_messages.ts";
import { textOf, withLog } from "../../../support/log.ts";
import { eventually, type FileServer, Fixture, numbers } from "../fixture.ts";

const RABBITMQ = { category: ["dramatiq", "rabbitmq"] };
/** Declaration of quorum queues before they had a delivery limit, as amqplib takes it. */
const QUORUM_TYPE = { "x-queue-type": "quorum" };
const SAFE = { "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" };
const WEEK = { "!": "int", value: 604_800_000 };

/** Quorum queues, here of one member. */
export function quorum(file: FileServer): void {
  const { test } = file;
  const QUORUM = { queueType: "quorum" } as const;

  const typesOf = async (fixture: Fixture) => {
    const queues = await file.console.evaluate(
      `[#{name => element(4, proplists:get_value(name, Q)), type => proplists:get_value(type, Q)} ||
        Q <- rabbit_amqqueue:info_all(<<"/">>, [name, type])].`,
    ) as { name: string; type: string }[];
    return Object.fromEntries(
      queues.filter(({ name }) => name.startsWith(fixture.queueName))
        .map((
          { name, type },
        ) => [name.slice(fixture.queueName.length), type.replace(/^rabbit_|_queue$/g, "")]),
    );
  };

  /** The delivery limits that the queues of a test were declared with. */
  const limitsOf = async (fixture: Fixture) => {
    const queues = await file.console.evaluate(
      `[#{name => element(4, proplists:get_value(name, Q)), limit =>
        case rabbit_misc:table_lookup(proplists:get_value(arguments, Q), <<"x-delivery-limit">>) of
          {_, Limit} -> Limit; undefined -> null end} ||
        Q <- rabbit_amqqueue:info_all(<<"/">>, [name, arguments])].`,
    ) as { name: string; limit: number | null }[];
    return Object.fromEntries(
      ["", ".DQ", ".XQ"].map((suffix) => [
        suffix,
        queues.find(({ name }) => name === fixture.queueName + suffix)?.limit,
      ]),
    );
  };

  test("RabbitmqBroker works with quorum queues: now, later, and in the end dead", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open(QUORUM);
    const { queueName } = fixture;
    const ran: unknown[] = [];
    const note = actor((n: unknown) => void ran.push(n), { broker, queueName, actorName: "note" });
    const fail = actor(() => {
      throw new Error("always");
    }, { broker, queueName, actorName: "fail", maxRetries: 1, minBackoff: 1, maxBackoff: 1 });
    await using worker = new Worker(broker);
    await worker.start();
    await note.sendMany(numbers(100).map((n) => [n]));
    await note.sendWithOptions({ args: ["soon"], delay: 50 });
    await note.sendWithOptions({ args: ["on the ladder"], delay: 1_500 });
    await fail.send();
    await eventually("run them", () => ran.length === 102);
    assertEquals(ran.slice(0, 100), numbers(100));
    await eventually("have a dead letter", async () => {
      return (await fixture.inspector.readAll(`${queueName}.XQ`)).length === 1;
    });
    await broker.join(queueName);
    const types = await typesOf(fixture);
    assertEquals([types[""], types[".DQ"], types[".XQ"]], [
      "quorum",
      "quorum",
      "quorum",
    ]);
    await worker.stop();
  });

  test("RabbitmqBroker dead-letters what quorum queues have delivered too often", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ ...QUORUM, deliveryLimit: 2 });
    const { queueName } = fixture;
    await broker.enqueueMany([work(queueName, "poison")]);
    for (let delivery = 0; delivery < 3; delivery++) {
      const consumer = broker.consume(queueName);
      assertEquals((await receiveOne(consumer)).args, ["poison"]);
      await consumer.close(); // as a worker that dies of it
    }
    await eventually("have a dead letter", async () => {
      return (await fixture.inspector.readAll(`${queueName}.XQ`)).length === 1;
    });
    await broker.enqueue(work(queueName, "next"));
    assertEquals((await receiveOne(broker.consume(queueName))).args, ["next"]);
  });

  test("RabbitmqBroker keeps the order of quorum queues, and gives back what is requeued", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open(QUORUM);
    await broker.enqueueMany(numbers(10).map((n) => work(fixture.queueName, n)));
    const consumer = broker.consume(fixture.queueName, { prefetch: 10 });
    const messages = await receiveCount(consumer, 10);
    assertEquals(firstArgs(messages), numbers(10));
    await consumer.ack(messages.slice(2));
    await consumer.requeue(messages.slice(0, 2));
    const again = firstArgs(await receiveCount(consumer, 2)) as number[];
    assertEquals(again.toSorted(), [0, 1]);
  });

  test("RabbitmqBroker says that quorum queues of this RabbitMQ have no priorities", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open({ ...QUORUM, maxPriority: 10 });
    const failure = await assertRejects(() => broker.enqueue(work(fixture.queueName, 1)));
    for (const part of ["Cannot ", "maxPriority", "quorum", "4.0"]) {
      assertStringIncludes((failure as Error).message, part);
    }
  });

  test("RabbitmqBroker of quorum queues and of classic ones work side by side on one server", async () => {
    await using fixture = new Fixture(file);
    const [classic, other] = [fixture.open(), fixture.open(QUORUM)];
    const otherName = `${fixture.queueName}.other`;
    other.declareQueue(otherName);
    await classic.enqueue(work(fixture.queueName, "classic"));
    await other.enqueue(work(otherName, "quorum"));
    assertEquals((await receiveOne(classic.consume(fixture.queueName))).args, ["classic"]);
    assertEquals((await receiveOne(other.consume(otherName))).args, ["quorum"]);
    const types = await typesOf(fixture);
    assertEquals([types[""], types[".other"]], ["classic", "quorum"]);
  });

  test("RabbitmqBroker keeps the dead letters of a quorum queue however often they are looked at", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open(QUORUM);
    const { queueName } = fixture;
    await broker.enqueueMany(numbers(2).map((n) => work(queueName, n)));
    await using consumer = broker.consume(queueName, { prefetch: 2 });
    await consumer.nack(await receiveCount(consumer, 2));
    await fixture.untilCounts(".XQ", 2);
    for (let look = 0; look < 30; look++) {
      const seen: unknown[] = [];
      for await (const { message } of broker.deadLetters(queueName)) seen.push(message.args[0]);
      assertEquals(seen.toSorted(), [0, 1], `look ${look}`);
    }
  });

  test("RabbitmqBroker gives XQ and DQ of quorum queues a delivery limit that nothing reaches", async () => {
    await using fixture = new Fixture(file);
    const broker = fixture.open(QUORUM);
    await broker.enqueue(work(fixture.queueName, 1));
    assertEquals(await limitsOf(fixture), { "": null, ".DQ": 1_000_000, ".XQ": 1_000_000 });
  });

  test("RabbitmqBroker uses quorum queues with another delivery limit as they are, and warns once of each", () =>
    withLog(RABBITMQ, async (lines) => {
      await using fixture = new Fixture(file);
      const { queueName, inspector } = fixture;
      const toDeadLetters = {
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": `${queueName}.XQ`,
        ...QUORUM_TYPE,
        ...SAFE,
      };
      await inspector.declare(queueName, { ...toDeadLetters, "x-delivery-limit": 50 });
      await inspector.declare(`${queueName}.DQ`, toDeadLetters);
      await inspector.declare(`${queueName}.XQ`, { "x-message-ttl": WEEK, ...QUORUM_TYPE });
      const broker = fixture.open({ ...QUORUM, deliveryLimit: 20 });
      const ran: unknown[] = [];
      const note = actor((n: unknown) => void ran.push(n), {
        ...{ broker, queueName, actorName: "note" },
      });
      await note.send("now");
      await note.sendWithOptions({ args: ["soon"], delay: 1 });
      await using worker = new Worker(broker);
      await worker.start();
      await eventually("run both", () => ran.length === 2);
      await broker.join(queueName);
      assertEquals((await broker.getQueueMessageCounts(queueName)).dead, 0);
      await broker.flush(queueName);
      await worker.stop();

      assertEquals(await limitsOf(fixture), { "": 50, ".DQ": null, ".XQ": null });
      const told = lines.map(textOf).filter((text) => text.includes("x-delivery-limit"));
      const named = ["", ".DQ", ".XQ"].map((suffix) =>
        told.filter((text) => text.includes(`${queueName}${suffix} `)).length
      );
      assertEquals(named, [1, 1, 1], told.join("\n"));
      const [ofQueue] = told.filter((text) => text.includes(`${queueName} `));
      for (const part of ["50", "20"]) assertStringIncludes(ofQueue!, part);
    }));

  test("RabbitmqBroker says what else of a quorum queue does not fit, beside its delivery limit", async () => {
    await using fixture = new Fixture(file);
    const { queueName, inspector } = fixture;
    await inspector.declare(`${queueName}.XQ`, { "x-message-ttl": 5_000, ...QUORUM_TYPE });
    const failure = await assertRejects(() =>
      fixture.open(QUORUM).enqueue(work(queueName, 1))
    ) as Error;
    for (const part of [`"${queueName}.XQ"`, "x-message-ttl", "5000"]) {
      assertStringIncludes(failure.message, part);
    }
  });

  test("RabbitmqBroker declares a quorum queue with its own delivery limit once the other one is deleted", async () => {
    await using fixture = new Fixture(file);
    const { queueName, inspector } = fixture;
    await inspector.declare(`${queueName}.XQ`, { "x-message-ttl": WEEK, ...QUORUM_TYPE });
    const broker = fixture.open(QUORUM);
    await broker.enqueue(work(queueName, 1));
    assertEquals((await limitsOf(fixture))[".XQ"], null);
    await inspector.delete(`${queueName}.XQ`);
    await using consumer = broker.consume(queueName);
    await consumer.nack([await receiveOne(consumer)]);
    await fixture.untilCounts(".XQ", 1);
    assert((await limitsOf(fixture))[".XQ"] === 1_000_000);
  });
}
