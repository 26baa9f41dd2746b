import { assertEquals } from "@std/assert";
import {
  MemcachedRateLimiterBackend,
  RedisRateLimiterBackend,
  StubRateLimiterBackend,
  systemClock,
} from "@dq/dramatiq";
import { MemcachedBackend, RedisBackend, StubBackend } from "@dq/dramatiq/rate_limits";
import { rateLimiterBackendConformance } from "../conformance/rate_limiter_backend.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Time said to have passed beside the time of the machine. */
let passed = 0;
let open: StubRateLimiterBackend | undefined;

/** Backend shared by all that open it: it is the storage itself. */
class SharedBackend extends StubRateLimiterBackend {
  override async close(): Promise<void> {
    open = undefined;
    await super.close();
  }
}

const letPass = (ms: number) => {
  passed += ms;
  return Promise.resolve();
};

rateLimiterBackendConformance({
  name: "StubBackend",
  open: () =>
    open ??= new SharedBackend({ clock: { ...systemClock, now: () => Date.now() + passed } }),
  forget: () => letPass(3_600_000),
  endClaim: () => letPass(10_000),
  skips: {
    hammer: "it lives in the memory of one process",
    membersUnderCuts: "there is no server",
    leaseUnderCuts: "there is no server",
    restart: "there is no server",
  },
});

// Reference: rate_limits.backends.StubBackend
test("StubBackend goes by the clock that it is given", async () => {
  const clock = new FakeClock();
  await using backend = new StubRateLimiterBackend({ clock });
  await backend.add("key", 1, 1_000);
  await clock.advance(999);
  assertEquals(await backend.add("key", 1, 1_000), false);
  await clock.advance(1);
  assertEquals(await backend.add("key", 1, 1_000), true);
  assertEquals(await clock.waitFor(backend.wait("other", 5_000)), false);
  assertEquals(clock.pendingTimers, 0);
});

test("backends have short names in an entry of their own", () => {
  assertEquals(
    [MemcachedBackend, RedisBackend, StubBackend],
    [MemcachedRateLimiterBackend, RedisRateLimiterBackend, StubRateLimiterBackend],
  );
});
