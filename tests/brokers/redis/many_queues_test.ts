/**
 * Thousands of queues.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { actor, Worker } from "@dq/dramatiq";
import { runtime } from "../../../platform/runtime.ts";
import { HEARTBEAT } from "../../../brokers/redis/recovery_scripts.ts";
import { testLong } from "../../servers/own.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { until } from "../../support/servers/until.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { beat, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile({}, testLong("redis-server"));

/** Waits until this process computes hardly anything. The first looks may see the end of the start. */
async function rests(): Promise<void> {
  const shares: number[] = [];
  while (shares.length < 8 && !(shares.at(-1)! < 0.25)) {
    const before = process.cpuUsage();
    await delay(IDLE);
    const { user, system } = process.cpuUsage(before);
    shares.push((user + system) / 1_000 / IDLE);
  }
  assert(shares.at(-1)! < 0.25, `It uses ${shares.join(", ")} of a core while it is idle`);
}

/** Milliseconds for which an idle worker is observed. */
const IDLE = 3_000;

test("RedisBroker looks at 1,000 queues in one heartbeat, and at all of them in turn", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const names = Array.from({ length: 2_500 }, (_, i) => `q${i}`);
  const ends = new AbortController();
  const waiting = names.map((name) => broker.consume(name).receive(1, { signal: ends.signal }));
  await using monitor = await Monitor.open(server);
  const seen = new Set<string>();
  for (let beats = 1; beats <= 3; beats++) {
    await beat(broker, clock);
    const [run, ...others] = runsOf(HEARTBEAT, await monitor.take());
    assertEquals(others, []);
    const keys = run!.slice(3, 3 + Number(run![2]));
    assertLessOrEqual(keys.length, 4 + 3 * 1_000);
    for (const key of keys) seen.add(key);
  }
  for (const name of names) assert(seen.has(fixture.key(name)), name);
  ends.abort();
  await Promise.all(waiting);
});

test("Worker on 10,000 Redis queues gets to its first message, and rests afterwards", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const ran: string[] = [];
  const actors = Array.from({ length: 10_000 }, (_, i) => {
    const queueName = `q${i}`;
    return actor(() => void ran.push(queueName), { broker, queueName, actorName: queueName });
  });
  const untilRun = (count: number) =>
    until(() => Promise.resolve(ran.length === count), { what: `run ${count}`, timeout: 120_000 });
  await actors.at(-1)!.send();
  await using worker = new Worker(broker);
  await worker.start();
  await untilRun(1);
  // On Deno files share a process, and what the others compute would count.
  if (runtime !== "deno") await rests();
  await actors[5_000]!.send();
  await untilRun(2);
  assertEquals(ran, ["q9999", "q5000"]);
});
