/**
 * A RabbitMQ that takes small messages only.
 *
 * @module
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionClosed, RequestRejected } from "@dq/dramatiq";
import { toSendAgain } from "../../../brokers/rabbitmq/closed_channel.ts";
import { Publication } from "../../../brokers/rabbitmq/publication.ts";
import { work } from "../../conformance/broker_messages.ts";
import { testLong } from "../../servers/own.ts";
import { oversize } from "../oversize.ts";
import { Fixture, numbers, startForFile } from "./fixture.ts";

/** The most bytes of a message: more than what is sent together with others at first. */
const LIMIT = 100_000;

const file = await startForFile(
  { config: `{max_message_size, ${LIMIT}}` },
  testLong("rabbitmq-server"),
);

oversize({
  name: "RabbitmqBroker",
  test: file.test,
  limit: LIMIT,
  overhead: 0,
  async with(check) {
    await using fixture = new Fixture(file);
    await check(fixture.open(), fixture.queueName);
  },
  async firstArgs(_broker, queueName) {
    await using fixture = new Fixture(file);
    return await fixture.inspector.firstArgs(queueName);
  },
});

/** Has the server take smaller messages still, on channels that are opened from now on. */
async function withLimit(limit: number, run: () => Promise<void>): Promise<void> {
  const set = (bytes: number) =>
    file.console.evaluate(`application:set_env(rabbit, max_message_size, ${bytes}).`);
  await set(limit);
  try {
    await run();
  } finally {
    await set(LIMIT);
  }
}

file.test("RabbitmqBroker loses none of those that were under way beside a small message that the server rejects", () =>
  withLimit(1_000, async () => {
    await using fixture = new Fixture(file);
    const { queueName } = fixture;
    const broker = fixture.open();
    const args = [...numbers(200), "x".repeat(1_000), ...numbers(200).map((n) => n + 200)];
    const outcomes = await Promise.allSettled(
      args.map((arg) => broker.enqueue(work(queueName, arg))),
    );
    assertEquals(outcomes.flatMap(({ status }, i) => status === "rejected" ? [i] : []), [200]);
    assertInstanceOf((outcomes[200] as PromiseRejectedResult).reason, RequestRejected);
    // Those before it were stored and not confirmed, and may be there twice.
    assertEquals(new Set(await fixture.inspector.firstArgs(queueName)), new Set(numbers(400)));
  }));

file.test("RabbitmqBroker without confirms loses nothing beside a message that the server rejects", async () => {
  await using fixture = new Fixture(file);
  const { queueName } = fixture;
  const broker = fixture.open({ confirmDelivery: false });
  const args = [...numbers(200), "x".repeat(2 * LIMIT), ...numbers(200).map((n) => n + 200)];
  const outcomes = await Promise.allSettled(
    args.map((arg) => broker.enqueue(work(queueName, arg))),
  );
  assertEquals(outcomes.flatMap(({ status }, i) => status === "rejected" ? [i] : []), [200]);
  await fixture.untilCounts("", 400);
  assertEquals(await fixture.inspector.firstArgs(queueName), numbers(400));
});

file.test("RabbitmqBroker has RabbitMQ dead-letter what it delivers and does not take back", async () => {
  await using fixture = new Fixture(file);
  const { queueName } = fixture;
  const broker = fixture.open();
  const [due, far] = ["due", "far"].map((text) => text + "x".repeat(2_000));
  await broker.enqueue(work(queueName, due));
  await broker.enqueue(work(queueName, far), { delay: 3_600_000 });
  await withLimit(1_000, async () => {
    const other = fixture.open();
    const consumer = fixture.use(other.consume(queueName));
    const [message] = await consumer.receive(1);
    await consumer.nack([message!]);
    const delayed = fixture.use(other.consume(`${queueName}.DQ`));
    const receiving = delayed.receive(1);
    await fixture.untilCounts(".XQ", 2);
    assertEquals(await fixture.inspector.firstArgs(`${queueName}.XQ`), [due, far]);
    await delayed.close();
    assertEquals(await receiving, []);
  });
  await fixture.untilCounts("", 0);
  await fixture.untilCounts(".DQ", 0);
});

/** Messages under way, and what becomes of each. */
function underWay(lengths: readonly number[]) {
  const fates: unknown[] = lengths.map(() => undefined);
  const publications = lengths.map((length, i) =>
    new Publication("q", "x".repeat(length), {
      stored: () => fates[i] = "stored",
      failed: (error) => fates[i] = error,
    })
  );
  return { publications, fates };
}

const closedWith = (code: number, text: string) => Object.assign(new Error(text), { code });

file.test("toSendAgain has each be sent alone when the channel was closed for an unknown reason, and rejects one that was", () => {
  const error = closedWith(406, "PRECONDITION_FAILED - something new");
  const { publications, fates } = underWay([1, 2, 3]);
  assertEquals(toSendAgain(publications, error), publications);
  assert(publications.every(({ isSuspect }) => isSuspect));
  assertEquals(toSendAgain([publications[1]!], error), []);
  assertInstanceOf(fates[1], RequestRejected);
  assertEquals([fates[0], fates[2]], [undefined, undefined]);
});

file.test("toSendAgain sends all three times when RabbitMQ closes the channel for what is not their fault", () => {
  const error = closedWith(541, "INTERNAL_ERROR");
  const { publications, fates } = underWay([1, 2]);
  for (let time = 1; time < 3; time++) {
    assertEquals(toSendAgain(publications, error), publications);
  }
  assertEquals(toSendAgain(publications, error), []);
  for (const fate of fates) assertInstanceOf(fate, ConnectionClosed);
});
