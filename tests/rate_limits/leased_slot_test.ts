import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ConcurrentRateLimiter,
  ConnectionClosed,
  StubRateLimiterBackend,
  WindowRateLimiter,
} from "@dq/dramatiq";
import { pause } from "../../platform/clock.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

const TTL = 9_000;

/** Notes what it is asked, and fails or lingers when told to. */
class LeaseBackend extends StubRateLimiterBackend {
  readonly clock: FakeClock;
  readonly asked: [at: number, ttl: number][] = [];
  isUnavailable = false;
  /** Gate of the answer. */
  gate: Promise<void> | undefined;
  /** Milliseconds that each answer takes. */
  latency = 0;

  constructor(clock: FakeClock) {
    super({ clock });
    this.clock = clock;
  }

  override async lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean> {
    this.asked.push([this.clock.monotonic() - START, ttl]);
    if (this.isUnavailable) throw new ConnectionClosed("The server is away");
    const isHeld = await super.lease(key, holder, limit, ttl);
    await this.gate;
    if (this.latency > 0) await pause(this.clock, this.latency);
    return isHeld;
  }
}

const START = new FakeClock().monotonic();

function fixture() {
  const clock = new FakeClock();
  const backend = new LeaseBackend(clock);
  const limiter = new ConcurrentRateLimiter(backend, "key", { leases: true, ttl: TTL, clock });
  const acquire = () => limiter.acquire({ raiseOnFailure: false });
  return { clock, backend, acquire };
}

const rateLimitLines = (run: () => Promise<void>) =>
  linesOf({ category: ["dramatiq", "rate_limits"] }, run);

test("LeasedSlot is renewed three times in its time to live, until it is released", async () => {
  const { clock, backend, acquire } = fixture();
  const slot = await acquire();
  await clock.advance(10_000);
  assertEquals((await acquire()).acquired, false);
  await slot.release();
  assertEquals(backend.asked, [
    [0, TTL],
    [3_000, TTL],
    [6_000, TTL],
    [9_000, TTL],
    [10_000, TTL], // the one that was refused
    [10_000, 0],
  ]);
  assertEquals(clock.pendingTimers, 0);
  assertEquals(slot.signal!.aborted, false);
  const next = await acquire();
  assert(next.acquired);
  await next.release();
});

test("LeasedSlot survives a server that is away for less than its time to live", async () => {
  const { clock, backend, acquire } = fixture();
  const slot = await acquire();
  backend.isUnavailable = true;
  await clock.advance(8_000);
  backend.isUnavailable = false;
  await clock.advance(20_000);
  assertEquals(slot.signal!.aborted, false);
  assertEquals((await acquire()).acquired, false);
  await slot.release();
});

test("LeasedSlot that could not be renewed in time is lost: its signal aborts, and the log says why", async () => {
  const { clock, backend, acquire } = fixture();
  const slot = await acquire();
  backend.isUnavailable = true;
  const lines = await rateLimitLines(async () => {
    await clock.advance(TTL - 1);
    assertEquals(slot.signal!.aborted, false);
    await clock.advance(1);
  });
  assertEquals(slot.signal!.aborted, true);
  assertEquals(
    (slot.signal!.reason as Error).message,
    `Cannot hold a slot of "key": its lease of ${TTL} ms has ended`,
  );
  assertEquals(lines.map(textOf), [
    'Lost a slot of "key", whose lease of 9000 ms has ended: The server is away',
  ]);
  assertEquals(clock.pendingTimers, 0);
  assertEquals(await rateLimitLines(() => slot.release()), []); // it has been said
});

test("LeasedSlot whose renewal is refused is lost at once", async () => {
  const { clock, backend, acquire } = fixture();
  const slot = await acquire();
  clock.jump(TTL); // the storage uses this clock, and grants the slot to another holder
  assert(await backend.lease("key@leases", "other", 1, TTL));
  await clock.advance(2_999);
  assertEquals(slot.signal!.aborted, false);
  await clock.advance(1);
  assertEquals(slot.signal!.aborted, true);
  assertEquals(clock.pendingTimers, 0);
  await slot.release();
  assertEquals(await backend.lease("key@leases", "third", 1, TTL), false, "it was not its own");
});

test("LeasedSlot that is released while it is renewed does not come back", async () => {
  const { clock, backend, acquire } = fixture();
  const slot = await acquire();
  const gate = Promise.withResolvers<void>();
  backend.gate = gate.promise;
  await clock.advance(3_000);
  backend.gate = undefined;
  await slot.release();
  gate.resolve();
  await clock.settle();
  assertEquals(backend.asked.slice(-2), [[3_000, 0], [3_000, 0]]);
  assertEquals(clock.pendingTimers, 0);
  assertEquals((await acquire()).acquired, true);
});

test("LeasedSlot that has ended before its answer came is not granted", async () => {
  const { clock, backend, acquire } = fixture();
  const gate = Promise.withResolvers<void>();
  backend.gate = gate.promise;
  const acquiring = acquire();
  await clock.advance(TTL);
  gate.resolve();
  assertEquals((await acquiring).acquired, false);
  assertEquals(clock.pendingTimers, 0);
});

test("LeasedSlot that cannot be released is logged, and ends by itself", async () => {
  const { clock, backend, acquire } = fixture();
  const slot = await acquire();
  backend.isUnavailable = true;
  const lines = await rateLimitLines(() => slot.release());
  assertEquals(lines.map(textOf), [
    'Failed to release a slot of "key", which ends after up to 9000 ms: The server is away',
  ]);
  backend.isUnavailable = false;
  await clock.advance(TTL);
  assertEquals((await acquire()).acquired, true);
});

test("WindowRateLimiter that slides counts a slot from anew whose answer came late", async () => {
  const clock = new FakeClock();
  const backend = new LeaseBackend(clock);
  const limiter = new WindowRateLimiter(backend, "key", { sliding: true, clock });
  const gate = Promise.withResolvers<void>();
  backend.gate = gate.promise;
  const acquiring = limiter.acquire();
  await clock.advance(101);
  backend.gate = undefined;
  gate.resolve();
  assert((await acquiring).acquired);
  assertEquals(backend.asked, [[0, 1_000], [101, 1_000]]);
  await clock.advance(999);
  assertEquals((await limiter.acquire({ raiseOnFailure: false })).acquired, false);
  await clock.advance(1);
  assert((await limiter.acquire()).acquired);
});

test("WindowRateLimiter that slides grants nothing while all answers come late", async () => {
  const clock = new FakeClock();
  const backend = new LeaseBackend(clock);
  const limiter = new WindowRateLimiter(backend, "key", { sliding: true, clock });
  backend.latency = 101;
  const acquiring = limiter.acquire({ raiseOnFailure: false });
  assertEquals((await clock.waitFor(acquiring)).acquired, false);
  backend.latency = 0;
  assert((await limiter.acquire()).acquired, "it is not taken back");
});

test("limiters refuse leases and windows that are neither on nor off", () => {
  const backend = new StubRateLimiterBackend();
  const odd = "yes" as unknown as boolean;
  assertThrows(() => new ConcurrentRateLimiter(backend, "key", { leases: odd }), TypeError, "yes");
  assertThrows(() => new WindowRateLimiter(backend, "key", { sliding: odd }), TypeError, "yes");
});
