import type { Consumer, RedisBroker } from "@dq/dramatiq";
import { FakeClock } from "../../support/fake_clock.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { eventually, Fixture } from "./fixture.ts";

/** For brokers whose clock is made to leap: that is not to cost them their lease. */
export const LONG_LEASE = { heartbeatTimeout: 86_400_000 };

/** A fixture with a broker whose clock stands still. */
export function openOne(
  server: RedisServer,
): { readonly clock: FakeClock; readonly fixture: Fixture; readonly broker: RedisBroker } {
  const clock = new FakeClock();
  const fixture = new Fixture(server);
  return { clock, fixture, broker: fixture.open({ clock, ...LONG_LEASE }) };
}

/** Waits until so many messages of the delay queue of "q" are sorted. */
export function untilSorted(fixture: Fixture, count: number): Promise<void> {
  return eventually("sort what is delayed", async () => {
    return await fixture.command("ZCARD", fixture.key("q.DQ.etas")) === count;
  });
}

/**
 * Moves the clock until something has happened that waits for it.
 *
 * @param clock The clock.
 * @param ms How far to move it at first; then it waits for timers that are set late.
 * @param waiting What waits.
 */
export async function advanceUntil<T>(
  clock: FakeClock,
  ms: number,
  waiting: Promise<T>,
): Promise<T> {
  let isOver = false;
  const over = () => void (isOver = true);
  waiting.then(over, over);
  // Redis answers in whole milliseconds, a heartbeat may leave the clock between two, and timers
  // are set for the next whole one.
  await clock.advance(ms + 2);
  await eventually("come to its time", async () => {
    await clock.advance(0);
    return isOver;
  });
  return await waiting;
}

/** Promotes what a consumer of a delay queue gives, as a worker does, until it is closed. */
export async function promoteAll(broker: RedisBroker, consumer: Consumer): Promise<void> {
  while (true) {
    const due = await consumer.receive(100);
    if (due.length === 0) return;
    await Promise.all(due.map((message) => broker.enqueueDue(message)));
    await consumer.ack(due);
  }
}
