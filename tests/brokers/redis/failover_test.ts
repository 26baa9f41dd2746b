import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionFailed } from "@dq/dramatiq";
import { work } from "../../conformance/broker_messages.ts";
import { testOwn } from "../../servers/own.ts";
import { textOf, withLog } from "../../support/log.ts";
import { type RedisSentinel, startRedisSentinel } from "../../support/servers/redis_sentinel.ts";
import { after, test as realTest } from "../../support/test.ts";
import { assertOneOutage, outcomeOf } from "../outages/outage.ts";
import { eventually, Fixture } from "./fixture.ts";

const test = testOwn("redis-server");
const system = test === realTest
  ? await startRedisSentinel({ sentinels: 3 })
  : undefined as unknown as RedisSentinel;
after(() => system?.stop());

const LOG = { category: ["dramatiq", "redis"] };

/** Options by which a client asks the sentinels for the master. */
function connection() {
  return { sentinels: [...system.addresses], name: system.name };
}

test("RedisBroker behind Sentinel leaves a master that hangs once another is named, unasked", async () => {
  await withLog(LOG, async (lines) => {
    const master = await system.master();
    await using fixture = new Fixture(master);
    const broker = fixture.open({ connection: connection() });
    await broker.connect();
    await master.pause();
    await system.untilMasterIsNot(master);
    // It has asked nothing, and so cannot know from the silence.
    await eventually("leave it, and find the other", () => lines.length === 2);
    assertOneOutage(lines, "Redis");
    assert(textOf(lines[0]!).includes("Sentinel has named another master"), textOf(lines[0]!));
    await broker.enqueue(work("q", "text"));
    assertEquals(await new Fixture(await system.master(), fixture.namespace).firstArgs("q"), [
      "text",
    ]);
    master.continue();
    await system.untilOk();
  });
});

test("RedisBroker behind Sentinel does not return to the old master in a graceful failover", async () => {
  await withLog(LOG, async (lines) => {
    const master = await system.master();
    await using fixture = new Fixture(master);
    const broker = fixture.open({ connection: connection() });
    await broker.connect();
    const newMaster = await system.failOver();
    await eventually("find the other", () => lines.length >= 2);
    await broker.enqueue(work("q", "text"));
    assertEquals(await new Fixture(newMaster, fixture.namespace).firstArgs("q"), ["text"]);
    assertEquals(lines.length % 2, 0, lines.map(textOf).join("\n"));
  });
});

test("RedisBroker behind Sentinel takes NOREPLICAS for a failover, and logs it once", async () => {
  await withLog(LOG, async (lines, first) => {
    const master = await system.master();
    await using fixture = new Fixture(master);
    const broker = fixture.open({ connection: connection() });
    await broker.connect();
    await master.command("CONFIG", "SET", "min-replicas-to-write", 9);
    const sending = broker.enqueue(work("q", "text"));
    await first;
    await master.command("CONFIG", "SET", "min-replicas-to-write", 0);
    await sending;
    assertEquals(await fixture.firstArgs("q"), ["text"]);
    assertOneOutage(lines, "Redis");
    assert(textOf(lines[0]!).includes("NOREPLICAS"), textOf(lines[0]!));
  });
});

test("RedisBroker of one server fails at once on NOREPLICAS", async () => {
  const master = await system.master();
  await using fixture = new Fixture(master);
  const broker = fixture.open({ url: master.url });
  await broker.connect();
  await master.command("CONFIG", "RESETSTAT");
  await master.command("CONFIG", "SET", "min-replicas-to-write", 9);
  const failure = await outcomeOf(broker.enqueue(work("q", "text")));
  await master.command("CONFIG", "SET", "min-replicas-to-write", 0);
  assert(failure!.message.includes("NOREPLICAS"), failure!.message);
  assertEquals((failure as ConnectionFailed).delivery, "none");
  const refusals = String(await master.command("INFO", "errorstats"));
  assertEquals(/errorstat_NOREPLICAS:count=(\d+)/.exec(refusals)?.[1], "1");
});

test("RedisBroker waitReplicas resolves a send once so many replicas have it", async () => {
  const master = await system.master();
  const replica = system.servers.find((server) => server !== master)!;
  await using fixture = new Fixture(master);
  const broker = fixture.open({ connection: connection(), waitReplicas: { count: 1 } });
  await broker.enqueueMany([1, 2, 3].map((n) => work("q", n)));
  assertEquals(await new Fixture(replica, fixture.namespace).firstArgs("q"), [1, 2, 3]);
  await broker.enqueue(work("q", "late"), { delay: 60_000 });
  assertEquals((await new Fixture(replica, fixture.namespace).ids("q.DQ")).length, 1);
});

test("RedisBroker waitReplicas fails a send that too few replicas have, of unknown delivery", async () => {
  const master = await system.master();
  await using fixture = new Fixture(master);
  const waitReplicas = { count: 9, timeout: 100 };
  const broker = fixture.open({ connection: connection(), waitReplicas });
  const failure = await broker.enqueue(work("q", "text")).then(() => undefined, (error) => error);
  assertInstanceOf(failure, ConnectionFailed);
  assertEquals(failure.name, "ConnectionFailed");
  assertEquals(failure.message, "Cannot enqueue: 1 of 9 replicas have it after 100 ms");
  assertEquals(failure.delivery, "unknown");
  assertEquals(await fixture.firstArgs("q"), ["text"]);
});

test("RedisBroker waitReplicas keeps nothing else waiting", async () => {
  const master = await system.master();
  await using fixture = new Fixture(master);
  const waitReplicas = { count: 9, timeout: 2_000 };
  const broker = fixture.open({ connection: connection(), waitReplicas });
  await broker.connect();
  let isSettled = false;
  const sending = outcomeOfWait(broker.enqueue(work("q", "text")), () => isSettled = true);
  await eventually("store it", async () => (await fixture.ids("q")).length === 1);
  assertEquals((await broker.getQueueMessageCounts("q")).ready, 1);
  assertEquals(isSettled, false);
  await sending;
});

async function outcomeOfWait(sending: Promise<unknown>, settled: () => void): Promise<void> {
  await sending.catch(() => {});
  settled();
}
