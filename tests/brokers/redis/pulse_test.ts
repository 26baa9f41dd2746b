import { assertEquals } from "@std/assert";
import type { ConsumedQueue } from "../../../brokers/redis/consumed_queue.ts";
import { Keys } from "../../../brokers/redis/keys.ts";
import { Lease } from "../../../brokers/redis/lease.ts";
import { Pulse } from "../../../brokers/redis/pulse.ts";
import type { Session } from "../../../brokers/redis/session.ts";
import type { Sweep } from "../../../brokers/redis/sweep.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const INTERVAL = 1_000;
const TIMEOUT = 60_000;

/** A pulse whose Redis answers when the test says, and what it does. */
function ready() {
  const clock = new FakeClock();
  const lease = new Lease(clock, TIMEOUT);
  const beats: PromiseWithResolvers<unknown>[] = [];
  const failed: unknown[] = [];
  const sweeps: { takesOver: boolean }[] = [];
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
    pulse() {},
    fail: (error: unknown): void => void failed.push(error),
  };
  const session = {
    brokerId: "broker",
    clock,
    lease,
    connection,
    serverClock: { argument: "", note() {} },
    keys: new Keys("dramatiq", "broker"),
    wakeups: { ping() {} },
    queues: new Map([["q", queue as unknown as ConsumedQueue]]),
  } as unknown as Session;
  const runAlone = (options: { takesOver: boolean; expires: boolean }) => {
    if (options.takesOver) sweeps.push(options);
    return Promise.resolve();
  };
  const sweep = { runAlone } as unknown as Sweep;
  const pulse = new Pulse(session, { interval: INTERVAL, heartbeatTimeout: TIMEOUT, sweep });
  /** Has the next heartbeat get its answer. */
  const answer = async ({ wasKnown = 1, dead = 0 } = {}) => {
    beats.shift()!.resolve([wasKnown, dead, clock.now(), 0, 0, null]);
    await clock.settle();
  };
  /** Lets time pass until the next heartbeat is sent. */
  const beat = async () => {
    while (beats.length === 0) await clock.advanceToNext();
  };
  return { clock, lease, connection, queue, failed, sweeps, pulse, beats, beat, answer };
}

test("Pulse renews the lease from when its heartbeat was sent, not from its answer", async () => {
  const { clock, lease, pulse, beat, answer } = ready();
  pulse.start();
  await beat();
  const sentAt = clock.now();
  await clock.advance(INTERVAL / 2);
  await answer();
  pulse.stop();
  await clock.advance(sentAt + TIMEOUT - clock.now() - 1);
  assertEquals(lease.isLost, false);
  await clock.advance(1);
  assertEquals(lease.isLost, true);
});

test("Pulse takes over from the dead once its connection is up for some seconds, not before", async () => {
  const { connection, sweeps, pulse, beat, answer } = ready();
  pulse.start();
  connection.upFor = 2_999; // The others may have been away as long, and be about to beat.
  await beat();
  await answer({ dead: 1 });
  assertEquals(sweeps.length, 0);
  connection.upFor = 3_000;
  await beat();
  await answer({ dead: 1 });
  assertEquals(sweeps.length, 1);
  pulse.stop();
});

test("Pulse tells of a take-over, and of nothing when it is the first heartbeat", async () => {
  const { failed, pulse, beat, answer } = ready();
  pulse.start();
  await beat();
  await answer({ wasKnown: 0 });
  assertEquals(failed.length, 0);
  await beat();
  await answer({ wasKnown: 0 });
  assertEquals(failed.length, 1);
  pulse.stop();
});

test("Pulse that is stopped by what it tells of beats no more", async () => {
  const { clock, lease, queue, pulse, beat, beats } = ready();
  lease.renew(lease.now);
  queue.fail = () => pulse.stop();
  pulse.start();
  for (let i = 0; beats.length === 0 && i < 200 && clock.pendingTimers > 0; i++) {
    await beat();
    beats.shift(); // never answered: in the end the lease is lost
  }
  await clock.advance(10 * TIMEOUT);
  assertEquals([clock.pendingTimers, lease.isLost], [0, false]);
});
