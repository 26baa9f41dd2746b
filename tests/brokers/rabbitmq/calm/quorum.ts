import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { firstArgs, receiveCount, receiveOne, work } from "../../../conformance/broker_messages.ts";
import { eventually, type FileServer, numbers, Stage } from "../stage.ts";

/** Quorum queues, here of one member. */
export function quorum(file: FileServer): void {
  const { test } = file;
  const QUORUM = { queueType: "quorum" } as const;

  const typesOf = async (stage: Stage) => {
    const queues = await file.console.evaluate(
      `[#{name => element(4, proplists:get_value(name, Q)), type => proplists:get_value(type, Q)} ||
        Q <- rabbit_amqqueue:info_all(<<"/">>, [name, type])].`,
    ) as { name: string; type: string }[];
    return Object.fromEntries(
      queues.filter(({ name }) => name.startsWith(stage.queueName))
        .map((
          { name, type },
        ) => [name.slice(stage.queueName.length), type.replace(/^rabbit_|_queue$/g, "")]),
    );
  };

  test("RabbitmqBroker works with quorum queues: now, later, and in the end dead", async () => {
    await using stage = new Stage(file);
    const broker = stage.open(QUORUM);
    const { queueName } = stage;
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
      return (await stage.witness.readAll(`${queueName}.XQ`)).length === 1;
    });
    await broker.join(queueName);
    const types = await typesOf(stage);
    assertEquals([types[""], types[".DQ"], types[".XQ"]], [
      "quorum",
      "quorum",
      "quorum",
    ]);
    await worker.stop();
  });

  test("RabbitmqBroker dead-letters what quorum queues have delivered too often", async () => {
    await using stage = new Stage(file);
    const broker = stage.open({ ...QUORUM, deliveryLimit: 2 });
    const { queueName } = stage;
    await broker.enqueueMany([work(queueName, "poison")]);
    for (let delivery = 0; delivery < 3; delivery++) {
      const consumer = broker.consume(queueName);
      assertEquals((await receiveOne(consumer)).args, ["poison"]);
      await consumer.close(); // as a worker that dies of it
    }
    await eventually("have a dead letter", async () => {
      return (await stage.witness.readAll(`${queueName}.XQ`)).length === 1;
    });
    await broker.enqueue(work(queueName, "next"));
    assertEquals((await receiveOne(broker.consume(queueName))).args, ["next"]);
  });

  test("RabbitmqBroker keeps the order of quorum queues, and gives back what is requeued", async () => {
    await using stage = new Stage(file);
    const broker = stage.open(QUORUM);
    await broker.enqueueMany(numbers(10).map((n) => work(stage.queueName, n)));
    const consumer = broker.consume(stage.queueName, { prefetch: 10 });
    const messages = await receiveCount(consumer, 10);
    assertEquals(firstArgs(messages), numbers(10));
    await consumer.ack(messages.slice(2));
    await consumer.requeue(messages.slice(0, 2));
    const again = firstArgs(await receiveCount(consumer, 2)) as number[];
    assertEquals(again.toSorted(), [0, 1]);
  });

  test("RabbitmqBroker says that quorum queues of this RabbitMQ have no priorities", async () => {
    await using stage = new Stage(file);
    const broker = stage.open({ ...QUORUM, maxPriority: 10 });
    const failure = await assertRejects(() => broker.enqueue(work(stage.queueName, 1)));
    for (const part of ["Cannot ", "maxPriority", "quorum", "4.0"]) {
      assertStringIncludes((failure as Error).message, part);
    }
  });

  test("RabbitmqBroker of quorum queues and of classic ones work side by side on one server", async () => {
    await using stage = new Stage(file);
    const [classic, other] = [stage.open(), stage.open(QUORUM)];
    const otherName = `${stage.queueName}.other`;
    other.declareQueue(otherName);
    await classic.enqueue(work(stage.queueName, "classic"));
    await other.enqueue(work(otherName, "quorum"));
    assertEquals((await receiveOne(classic.consume(stage.queueName))).args, ["classic"]);
    assertEquals((await receiveOne(other.consume(otherName))).args, ["quorum"]);
    const types = await typesOf(stage);
    assertEquals([types[""], types[".other"]], ["classic", "quorum"]);
  });
}
