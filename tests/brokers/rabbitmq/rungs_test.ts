/**
 * Rungs of the ladder: what becomes of delayed messages when RabbitMQ stops, and where it has no
 * quorum queues that could keep them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { assert, assertEquals } from "@std/assert";
import { type Channel, connect } from "amqplib";
import { actor, type RabbitmqBroker, Worker } from "@dq/dramatiq";
import { textOf, withLog } from "../../support/log.ts";
import { startTap } from "../../support/servers/amqp_tap.ts";
import { startOwnRabbitmq } from "../../support/servers/rabbitmq.ts";
import { testLong } from "../../servers/own.ts";
import { eventually, Fixture, numbers, startForFile } from "./fixture.ts";
import { withChannel } from "./inspector.ts";

const HOUR = 3_600_000;
/** Messages that are published before the first one is confirmed. */
const WINDOW = 500;

const file = await startForFile({}, testLong("rabbitmq-server"));
const { test, server, console } = file;

/** Sends messages that are due in an hour, and waits until they are counted as delayed. */
async function sendFar(broker: RabbitmqBroker, queueName: string, count: number): Promise<Worker> {
  const far = actor(() => {}, { broker, queueName, actorName: "far" });
  const worker = new Worker(broker);
  await worker.start();
  await far.sendMany(numbers(count).map(() => []), { delay: HOUR });
  return worker;
}

/** Publishes numbers from 0 until the connection is closed; gives those that were confirmed. */
async function publishUntilClosed(url: string, queueName: string): Promise<Set<number>> {
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  const confirmed = new Set<number>();
  const state = { isClosed: false, underWay: 0, wake: () => {} };
  for (const one of [connection, channel]) one.on("error", () => {});
  channel.on("close", () => {
    state.isClosed = true;
    state.wake();
  });
  for (let n = 0; !state.isClosed; n++) {
    state.underWay++;
    channel.sendToQueue(queueName, Buffer.from(`${n}`), { persistent: true }, (error) => {
      state.underWay--;
      if (error === null) confirmed.add(n);
      state.wake();
    });
    if (state.underWay < WINDOW) continue;
    await new Promise<void>((resolve) => state.wake = resolve);
  }
  return confirmed;
}

/** Takes all numbers off a queue until none of those wanted is missing. */
async function takeUntilAll(channel: Channel, queueName: string, wanted: Set<number>) {
  const missing = new Set(wanted);
  await channel.prefetch(1_000);
  await channel.consume(queueName, (message) => {
    missing.delete(Number(message!.content.toString()));
    channel.ack(message!);
  });
  await eventually("have all that was confirmed", () => missing.size === 0).catch((cause) => {
    throw new Error(`${missing.size} of ${wanted.size} messages are lost`, { cause });
  });
}

test("RabbitMQ loses no delayed message whose time on a rung ends while it stops", async () => {
  await using fixture = new Fixture(file);
  const { queueName } = fixture;
  const worker = await sendFar(fixture.open(), queueName, 1);
  const rung = `${queueName}.DQ.q1`;
  await eventually("make rungs", async () => (await fixture.suffixes()).includes(".DQ.q1"));
  await worker.stop();
  const publishing = publishUntilClosed(server.url, rung);
  await eventually("hand some back", async () => (await fixture.counts(".DQ")).ready > 0);
  await console.evaluate("rabbit:stop(), 1."); // at once: rabbitmqctl takes longer to begin
  const confirmed = await publishing;
  await console.evaluate("rabbit:start(), 1.");
  await withChannel(
    server.url,
    (channel) => takeUntilAll(channel, `${queueName}.DQ`, confirmed),
  );
});

test("Worker uses expiring rungs on a RabbitMQ before 3.10", async () => {
  await using fixture = new Fixture(file);
  const tap = fixture.use(await startTap(server, "3.9."));
  const broker = fixture.open({ url: tap.url });
  await using worker = await sendFar(broker, fixture.queueName, 3);
  await eventually("put them on a rung", async () => {
    return (await fixture.counts(".DQ.1024s")).ready === 3;
  });
  assertEquals((await broker.getQueueMessageCounts(fixture.queueName)).delayed, 3);
  const suffixes = await fixture.suffixes();
  assert(suffixes.includes(".DQ.ladder"), suffixes.join());
  assertEquals(suffixes.filter((suffix) => /\.q(?:\d+|uorum)$/.test(suffix)), []);
  await worker.stop();
});

test("Worker uses expiring rungs on a RabbitMQ whose quorum queues are switched off, and warns once", () =>
  withLog({ category: ["dramatiq", "rabbitmq"] }, async (lines) => {
    // RabbitMQ 3.11 and later have no such switch.
    await using server = await startOwnRabbitmq({ config: "{forced_feature_flags_on_init, []}" });
    const flags = await server.ctl("list_feature_flags");
    if (!/quorum_queue\s+disabled/.test(flags)) return;
    await using console = server.openConsole();
    await using fixture = new Fixture({ test, server, console });
    const { queueName } = fixture;
    const broker = fixture.open();
    const ran: string[] = [];
    const near = actor((n: string) => void ran.push(n), { broker, queueName, actorName: "near" });
    await using worker = await sendFar(broker, queueName, 3);
    await eventually("put them on a rung", async () => {
      return (await fixture.counts(".DQ.1024s")).ready === 3;
    });
    assertEquals((await broker.getQueueMessageCounts(queueName)).delayed, 3);
    await near.send("now");
    await eventually("run what is due", () => ran.length === 1);
    await worker.stop();
    const told = lines.map(textOf).filter((text) => text.startsWith("Keeping far-off"));
    assertEquals(told.length, 1, lines.map(textOf).join("\n"));
  }));
