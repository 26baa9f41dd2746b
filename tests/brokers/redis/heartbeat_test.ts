import { assertEquals } from "@std/assert";
import type { ConsumedQueue } from "../../../brokers/redis/consumed_queue.ts";
import { Keys } from "../../../brokers/redis/keys.ts";
import { Lease } from "../../../core/lease.ts";
import { Heartbeat } from "../../../brokers/redis/heartbeat.ts";
import type { RedisSession } from "../../../brokers/redis/session.ts";
import { ReportCollector } from "../../../core/report_collector.ts";
import type { Recovery } from "../../../brokers/redis/recovery.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const INTERVAL = 1_000;
const TIMEOUT = 60_000;

/** A heartbeat over a Redis whose replies the test controls, with a record of its effects. */
function ready() {
  const clock = new FakeClock();
  const lease = new Lease(clock, TIMEOUT);
  const beats: PromiseWithResolvers<unknown>[] = [];
  const failed: unknown[] = [];
  const recoveries: { takesOver: boolean }[] = [];
  const connection = {
    upFor: Infinity,
    run() {
      const beat = Promise.withResolvers<unknown>();
      beats.push(beat);
      return beat.promise;
    },
  };
  const queue = {
    name: "q",
    isWatched: true,
    heartbeat() {},
    fail: (error: unknown): void => void failed.push(error),
  };
  const keys = new Keys("dramatiq", "broker");
  const session = {
    brokerId: "broker",
    clock,
    lease,
    connection,
    serverClock: { argument: "", lead: 0, note() {} },
    keys,
    notifier: { ping() {} },
    queues: new Map([["q", queue as unknown as ConsumedQueue]]),
  } as unknown as RedisSession;
  const runAlone = (options: { takesOver: boolean; expires: boolean }) => {
    if (options.takesOver) recoveries.push(options);
    return Promise.resolve();
  };
  const recovery = { runAlone } as unknown as Recovery;
  const heartbeat = new Heartbeat(session, {
    interval: INTERVAL,
    heartbeatTimeout: TIMEOUT,
    recovery,
    reports: new ReportCollector(new Set(), INTERVAL),
  });
  /** Has the next heartbeat get its answer. */
  const answer = async ({ wasKnown = 1, dead = 0 } = {}) => {
    beats.shift()!.resolve([wasKnown, dead, clock.now(), 0, 0, null]);
    await clock.settle();
  };
  /** Lets time pass until the next heartbeat is sent. */
  const beat = async () => {
    while (beats.length === 0) await clock.advanceToNext();
  };
  return { clock, lease, connection, queue, failed, recoveries, heartbeat, beats, beat, answer };
}

test("Heartbeat renews the lease from when its heartbeat was sent, not from its answer", async () => {
  const { clock, lease, heartbeat, beat, answer } = ready();
  heartbeat.start();
  await beat();
  const sentAt = clock.now();
  await clock.advance(INTERVAL / 2);
  await answer();
  heartbeat.stop();
  await clock.advance(sentAt + TIMEOUT - clock.now() - 1);
  assertEquals(lease.isLost, false);
  await clock.advance(1);
  assertEquals(lease.isLost, true);
});

test("Heartbeat takes over from the dead once its connection is up for some seconds, not before", async () => {
  const { connection, recoveries, heartbeat, beat, answer } = ready();
  heartbeat.start();
  connection.upFor = 2_999; // The others may have been away as long, and be about to beat.
  await beat();
  await answer({ dead: 1 });
  assertEquals(recoveries.length, 0);
  connection.upFor = 3_000;
  await beat();
  await answer({ dead: 1 });
  assertEquals(recoveries.length, 1);
  heartbeat.stop();
});

test("Heartbeat tells of a take-over, and of nothing when it is the first heartbeat", async () => {
  const { failed, heartbeat, beat, answer } = ready();
  heartbeat.start();
  await beat();
  await answer({ wasKnown: 0 });
  assertEquals(failed.length, 0);
  await beat();
  await answer({ wasKnown: 0 });
  assertEquals(failed.length, 1);
  heartbeat.stop();
});

test("Heartbeat that its own listener stops does not beat again", async () => {
  const { clock, lease, queue, heartbeat, beat, beats } = ready();
  lease.renew(lease.now);
  queue.fail = () => heartbeat.stop();
  heartbeat.start();
  for (let i = 0; beats.length === 0 && i < 200 && clock.pendingTimers > 0; i++) {
    await beat();
    beats.shift(); // never answered: in the end the lease is lost
  }
  await clock.advance(10 * TIMEOUT);
  assertEquals([clock.pendingTimers, lease.isLost], [0, false]);
});
