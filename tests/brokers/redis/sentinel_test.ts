import { assert, assertEquals } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { Redis } from "ioredis";
import { work } from "../../conformance/broker_messages.ts";
import { testOwn } from "../../servers/own.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { type RedisSentinel, startRedisSentinel } from "../../support/servers/redis_sentinel.ts";
import { after, test as realTest } from "../../support/test.ts";
import { outcomeOf } from "../outages/outage.ts";
import { sendFromPython } from "./python.ts";
import { eventually, Fixture, untilTracking } from "./fixture.ts";

const test = testOwn("redis-server");
const system = test === realTest
  ? await startRedisSentinel({ sentinels: 3 })
  : undefined as unknown as RedisSentinel;
after(() => system?.stop());

const HOUR = 3_600_000;
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Options by which a client asks the sentinels for the master. */
function connection() {
  return { sentinels: [...system.addresses], name: system.name };
}

/** Waits until the replica has all that the master has. */
async function untilReplicated(master: RedisServer): Promise<void> {
  const replica = system.servers.find((server) => server !== master)!;
  await eventually("replicate", async () => {
    const [there, here] = await Promise.all([offsetOf(master), offsetOf(replica)]);
    return there === here;
  });
}

async function offsetOf(server: RedisServer): Promise<string> {
  const info = String(await server.command("INFO", "replication"));
  return /master_repl_offset:(\d+)/.exec(info)![1]!;
}

function declareNote(broker: RedisBroker, ran: Set<number>) {
  return actor((n: number) => void ran.add(n), { broker, queueName: "q", actorName: "note" });
}

for (const how of ["fails over", "is killed"] as const) {
  test(`RedisBroker behind Sentinel loses nothing when the master ${how}, and goes on`, async () => {
    const master = await system.master();
    await using fixture = new Fixture(master);
    const producer = fixture.open({ connection: connection() });
    const client = new Redis({ ...connection(), lazyConnect: true });
    const consumer = fixture.open({ client });
    const ran = new Set<number>();
    const note = declareNote(producer, ran);
    declareNote(consumer, ran);
    // Some wait on the queue, some for their time, when it happens.
    await note.sendMany(numbers(100).map((n) => [n]));
    for (const n of [100, 101]) await note.sendWithOptions({ args: [n], delay: 1 });
    await producer.enqueue(work("q", "far"), { delay: HOUR });
    await untilReplicated(master);

    if (how === "fails over") await system.failOver();
    else {
      await master.kill();
      await system.untilMasterIsNot(master);
    }
    const newMaster = await system.master();
    assert(newMaster !== master);

    await using worker = new Worker(consumer);
    await worker.start();
    await eventually("send", async () => await outcomeOf(note.send(102)) === undefined);
    await eventually("run all", () => Promise.resolve(ran.size === 103));
    await worker.stop();
    const there = new Fixture(newMaster, fixture.namespace);
    assertEquals(await there.ids("q"), []);
    assertEquals((await producer.getQueueMessageCounts("q")).delayed, 1);
    assertEquals(client.status, "wait");
    await consumer.close();
    await producer.close();
    if (how === "is killed") await master.restart();
    await system.untilOk();
  });
}

test("RedisBroker's worker behind Sentinel goes on at the new master, and is woken there", async () => {
  const master = await system.master();
  await using fixture = new Fixture(master);
  // Only Redis itself can wake it.
  const broker = fixture.open({ connection: connection(), maintenanceInterval: Infinity });
  const ran = new Set<number>();
  const run = actor((n: number) => void ran.add(n), { broker, queueName: "q", actorName: "work" });
  await using worker = new Worker(broker);
  await worker.start();
  await run.send(1);
  await broker.join("q");
  await untilReplicated(master);

  const newMaster = await system.failOver();

  await untilTracking(newMaster);
  await sendFromPython(new Fixture(newMaster, fixture.namespace), "q", [2]);
  await eventually("run it", () => Promise.resolve(ran.has(2)));
  await eventually("send", async () => await outcomeOf(run.send(3)) === undefined);
  await eventually("run it", () => Promise.resolve(ran.has(3)));
  await broker.join("q");
  await worker.stop();
});
