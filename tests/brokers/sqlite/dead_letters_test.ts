import { assertEquals } from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const DAY = 86_400_000;
/** More than one step of the purge deletes. */
const MANY = 1_100;
/** Longer than what a row holds: its body is in a table of its own. */
const LONG = "x".repeat(2_000);

/** Dead-letters messages of these first arguments. */
async function bury(broker: SqliteBroker, args: readonly number[], text = ""): Promise<void> {
  await broker.enqueueMany(args.map((n) => work("default", n, text)));
  await using consumer = broker.consume("default", { prefetch: args.length });
  await consumer.nack(await receiveCount(consumer, args.length));
}

/** Runs the maintenance, and waits for its transactions. */
async function maintain(broker: SqliteBroker): Promise<void> {
  const connection = connectionOf(broker);
  connection.runMaintenance();
  await connection.writer.drained();
}

for (const [given, ttl] of [[undefined, 7 * DAY], [1_000, 1_000]] as const) {
  test(`SqliteBroker purges dead letters after ${given ?? "7 days, without a"} deadMessageTtl, and only those`, async () => {
    const clock = new FakeClock();
    await using broker = new SqliteBroker({
      path: ":memory:",
      clock,
      ...(given !== undefined && { deadMessageTtl: given }),
    });
    await bury(broker, Array.from({ length: MANY }, (_, n) => n));
    await bury(broker, [-1], LONG);
    clock.jump(ttl - 1);
    await bury(broker, [-2]);
    await broker.enqueue(work("default", "waiting"));
    await broker.enqueue(work("default", "delayed"), { delay: 30 * DAY });
    await maintain(broker);
    assertEquals((await broker.getQueueMessageCounts("default")).dead, MANY + 2);

    clock.jump(1);
    await maintain(broker);
    const { dead, ready, delayed } = await broker.getQueueMessageCounts("default");
    assertEquals({ dead, ready, delayed }, { dead: 1, ready: 1, delayed: 1 });
    const left = await Array.fromAsync(broker.deadLetters("default"));
    assertEquals(firstArgs(left.map(({ message }) => message)), [-2]);
    const bodies = connectionOf(broker).statement("select count(*) count from dramatiq_bodies");
    assertEquals({ ...bodies.get() as object }, { count: 0 });
  });
}
