import { join } from "node:path";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Clock, ConnectionClosed, type Consumer, SqliteBroker } from "@dq/dramatiq";
import { systemClock } from "../../../platform/clock.ts";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { withFolder } from "../../support/folder.ts";
import { eventually } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";
import { OPENERS } from "./databases.ts";

/** Milliseconds after which those who watch take over. */
const HEARTBEAT_TIMEOUT = 1_000;
const HOUR = 3_600_000;

/** Two brokers on one file: the clock of the first is that of the test, and it holds a message. */
async function withTwo(
  clocks: { first: Clock; second?: Clock },
  run: (two: {
    path: string;
    first: SqliteBroker;
    holding: Consumer;
    second: SqliteBroker;
  }) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using first = new SqliteBroker({ path, share: false, clock: clocks.first });
    await using second = new SqliteBroker({
      path,
      share: false,
      clock: clocks.second ?? systemClock,
      heartbeatTimeout: HEARTBEAT_TIMEOUT,
    });
    await first.enqueue(work("default", "held"));
    const holding = first.consume("default", { prefetch: 2 });
    await run({ path, first, holding, second });
    await holding.close();
  });
}

test("A worker whose heartbeat stands still loses what it has, and settles nothing afterwards", async () => {
  const clock = new FakeClock(); // its timers never fire: it hangs
  await withTwo({ first: clock }, async ({ first, holding, second }) => {
    const held = await receiveOne(holding);
    await using taking = second.consume("default");
    const taken = await receiveOne(taking);
    assertEquals(taken.args, ["held"]);
    await holding.ack(held); // late
    const { ready, unacknowledged } = await second.getQueueMessageCounts("default");
    assertEquals([ready, unacknowledged], [0, 1]);
    await taking.requeue(taken);
    await holding.nack([]);
    assertEquals((await second.getQueueMessageCounts("default")).dead, 0);

    const receiving = assertRejects(() => holding.receive(1), ConnectionClosed);
    await taking.close();
    const advancing = eventually("notice", async () => {
      await clock.advance(800);
      return holding.isLost;
    });
    await Promise.all([receiving.catch(() => {}), advancing]);
    // It begins anew, under another id.
    await using again = first.consume("default");
    assertEquals((await receiveOne(again)).args, ["held"]);
  });
});

test("A worker that cannot write its heartbeat starts nothing of what it has", async () => {
  const clock = new FakeClock();
  await withTwo({ first: clock }, async ({ path, first, holding }) => {
    await receiveOne(holding);
    const other = OPENERS["node:sqlite"]!(path);
    other.exec("begin immediate");
    await eventually("lose its lease", async () => {
      await clock.advance(10_000);
      return holding.isLost;
    });
    const error = await assertRejects(() => holding.receive(1), ConnectionClosed);
    assertStringIncludes(error.message, "no heartbeat got through for 48000 ms");
    assert(first.silentFor > 0); // for health checks
    other.exec("rollback");
    other.close();
    await using again = first.consume("default");
    assertEquals((await receiveOne(again)).args, ["held"]);
    assertEquals(first.silentFor, 0);
  });
});

test("Workers continue when their clocks are set by hours, and none is considered dead", async () => {
  let offset = 0;
  const clock = { ...systemClock, now: () => Date.now() + offset };
  await withTwo({ first: clock, second: clock }, async ({ first, holding, second }) => {
    await receiveOne(holding);
    await using watching = second.consume("default", { prefetch: 5 });
    for (const step of [HOUR, -2 * HOUR, HOUR]) {
      offset += step;
      await first.enqueue(work("default", step));
      const next = await receiveOne(watching);
      assertEquals(next.args, [step]);
      await watching.ack(next);
    }
    assert(!holding.isLost && !watching.isLost);
    assertEquals((await second.getQueueMessageCounts("default")).unacknowledged, 1);
  });
});

test("SqliteBroker.close leaves neither a worker nor anything in flight", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const broker = new SqliteBroker({ path });
    await broker.enqueueMany([1, 2, 3].map((n) => work("default", n)));
    const received = await receiveCount(broker.consume("default", { prefetch: 3 }), 3);
    assertEquals(firstArgs(received), [1, 2, 3]);
    await broker.close();
    const database = OPENERS["node:sqlite"]!(path);
    const left = database.prepare(
      "select count(*) workers, (select count(*) from " +
        "dramatiq_messages where state=0) ready from dramatiq_workers",
    ).get();
    assertEquals({ ...left as object }, { workers: 0, ready: 3 });
    database.close();
  });
});
