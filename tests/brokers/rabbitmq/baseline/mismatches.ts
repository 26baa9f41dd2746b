import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { ConnectionClosed, type RabbitmqBrokerOptions } from "@dq/dramatiq";
import { receiveOne, work } from "../../../conformance/broker_messages.ts";
import { type FileServer, Fixture } from "../fixture.ts";
import { withChannel } from "../inspector.ts";

const WEEK = { "x-message-ttl": { "!": "int", value: 604_800_000 } };

/** Declaration of somebody else, and what of it does not fit. */
interface Mismatch {
  readonly what: string;
  /** Part of the queue's name that follows that of the queue. */
  readonly suffix: "" | ".DQ" | ".XQ";
  readonly found: Readonly<Record<string, unknown>>;
  readonly options: RabbitmqBrokerOptions;
  /** Parts of the error: the argument, what it should be, and what it is. */
  readonly parts: readonly string[];
}

const toDeadLetters = (queueName: string) => ({
  "x-dead-letter-exchange": "",
  "x-dead-letter-routing-key": `${queueName}.XQ`,
});

const MISMATCHES: readonly Mismatch[] = [
  {
    what: "another maximal priority",
    suffix: "",
    found: { "x-max-priority": 5 },
    options: { maxPriority: 10 },
    parts: ["x-max-priority", "10", "5"],
  },
  {
    what: "a maximal priority where it has none",
    suffix: ".DQ",
    found: { "x-max-priority": 5 },
    options: {},
    parts: ["x-max-priority", "none", "5"],
  },
  {
    what: "another time to live of dead letters",
    suffix: ".XQ",
    found: { "x-message-ttl": 5_000 },
    options: {},
    parts: ["x-message-ttl", "604800000", "5000"],
  },
  {
    what: "another type",
    suffix: "",
    found: { "x-queue-type": "quorum" },
    options: {},
    parts: ["x-queue-type", "quorum"],
  },
];

/** Queues that exist and are otherwise. */
export function mismatches(file: FileServer): void {
  const { test } = file;

  for (const { what, suffix, found, options, parts } of MISMATCHES) {
    test(`RabbitmqBroker says which argument of a queue does not fit: ${what}`, async () => {
      await using fixture = new Fixture(file);
      const { queueName, inspector } = fixture;
      const deadLetters = suffix === ".XQ" ? {} : toDeadLetters(queueName);
      await inspector.declare(queueName + suffix, { ...deadLetters, ...found });
      const broker = fixture.open(options);
      const consumer = broker.consume(queueName);

      const failures = [
        await assertRejects(() => broker.enqueue(work(queueName, 1)), ConnectionClosed),
        await assertRejects(() => broker.enqueueMany([work(queueName, 1)], { delay: 1 })),
        await assertRejects(() => consumer.receive(1)),
      ];
      for (const failure of failures) {
        assertInstanceOf(failure, ConnectionClosed);
        for (const part of [`"${queueName}${suffix}"`, ...parts]) {
          assertStringIncludes(failure.message, part);
        }
        assertInstanceOf(failure.cause, Error);
      }

      // It is all right as soon as the queue is.
      await inspector.delete(queueName + suffix);
      await broker.enqueue(work(queueName, 2));
      assertEquals((await receiveOne(broker.consume(queueName))).args, [2]);
    });
  }

  test("RabbitmqBroker takes queues that Python or anybody has declared in the same way", async () => {
    await using fixture = new Fixture(file);
    const { queueName, inspector } = fixture;
    const priority = { "x-max-priority": { "!": "long", value: 10 } };
    await inspector.declare(queueName, { ...toDeadLetters(queueName), ...priority });
    await inspector.declare(`${queueName}.XQ`, WEEK);
    const broker = fixture.open({ maxPriority: 10 });
    await broker.enqueue(work(queueName, 1));
    assertEquals((await fixture.counts()).ready, 1);
  });

  test("RabbitmqBroker says that a queue is not durable", async () => {
    await using fixture = new Fixture(file);
    const { queueName } = fixture;
    await withChannel(file.server.url, (channel) => {
      const options = { durable: false, arguments: toDeadLetters(queueName) };
      return channel.assertQueue(queueName, options);
    });
    const { message } = await assertRejects(
      () => fixture.open().enqueue(work(queueName, 1)),
      ConnectionClosed,
    );
    for (const part of [`"${queueName}"`, "durable", "true", "false"]) {
      assertStringIncludes(message, part);
    }
  });
}
