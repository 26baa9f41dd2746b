import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  Barrier,
  BucketRateLimiter,
  ConcurrentRateLimiter,
  type RateLimiter,
  RateLimitExceeded,
  type Slot,
  systemClock,
  WindowRateLimiter,
} from "@dq/dramatiq";
import type { Rules } from "./rate_limiter_harness.ts";

const START = 1_700_000_000_000;

/** Acquires a given number of times, one after the other. */
async function acquire(limiter: RateLimiter, times: number): Promise<Slot[]> {
  const slots: Slot[] = [];
  for (let i = 0; i < times; i++) slots.push(await limiter.acquire({ raiseOnFailure: false }));
  return slots;
}

const count = (slots: readonly Slot[]) => slots.filter(({ acquired }) => acquired).length;

/** Rules of limiters: what they do with counters. */
export const limiters: Rules = {
  concurrent: {
    // Reference: ConcurrentRateLimiter
    rule: "ConcurrentRateLimiter lets as many in as its limit says, and others when they have left",
    async check(fixture) {
      const limiter = new ConcurrentRateLimiter(await fixture.open(), fixture.key, { limit: 3 });
      const others = new ConcurrentRateLimiter(await fixture.open(), fixture.key, { limit: 3 });
      const slots = await acquire(limiter, 2);
      const more = await acquire(others, 3);
      assertEquals([count(slots), count(more)], [2, 1]);
      await slots[0]!.release();
      await slots[0]!.release(); // once is all
      for (const refused of more.slice(1)) await refused.release();
      assertEquals(count(await acquire(others, 2)), 1);
    },
  },

  concurrentDefaults: {
    rule: "ConcurrentRateLimiter is a mutex by default",
    async check(fixture) {
      const mutex = new ConcurrentRateLimiter(await fixture.open(), fixture.key);
      assertEquals([mutex.limit, mutex.ttl], [1, 900_000]);
      assertEquals(count(await acquire(mutex, 2)), 1);
    },
  },

  raises: {
    // Reference: RateLimiter.acquire, RateLimitExceeded
    rule: "RateLimiter.acquire throws RateLimitExceeded that names the key, unless told otherwise",
    async check(fixture) {
      const limiter = new ConcurrentRateLimiter(await fixture.open(), fixture.key, { limit: 2 });
      await acquire(limiter, 2);
      const text = `Cannot acquire "${fixture.key}": its limit of 2 is reached`;
      await assertRejects(() => limiter.acquire(), RateLimitExceeded, text);
      await assertRejects(() => limiter.run(() => 1), RateLimitExceeded, text);
      const slot = await limiter.acquire({ raiseOnFailure: false });
      assert(!slot.acquired);
    },
  },

  scope: {
    rule: "a slot is released when its scope is left, also by a throw",
    async check(fixture) {
      const mutex = new ConcurrentRateLimiter(await fixture.open(), fixture.key);
      const enter = async (work: () => void) => {
        await using slot = await mutex.acquire();
        assert(slot.acquired);
        assertEquals(count(await acquire(mutex, 1)), 0);
        work();
      };
      await enter(() => {});
      await assertRejects(() => enter(() => fail("the body")), Error, "the body");
      await enter(() => {});
    },
  },

  run: {
    rule:
      "RateLimiter.run gives what the function gives, and releases the slot, also after a throw",
    async check(fixture) {
      const mutex = new ConcurrentRateLimiter(await fixture.open(), fixture.key);
      assertEquals(await mutex.run(() => count([])), 0);
      assertEquals(await mutex.run(async () => count(await acquire(mutex, 1))), 0);
      await assertRejects(() => mutex.run(() => fail("at once")), Error, "at once");
      await assertRejects(
        () => mutex.run(() => Promise.reject(new Error("later"))),
        Error,
        "later",
      );
      assertEquals(await mutex.run(() => "done"), "done");
    },
  },

  forgotten: {
    rule: "ConcurrentRateLimiter has room again when the time of its holders is over",
    async check(fixture) {
      const mutex = new ConcurrentRateLimiter(await fixture.open(), fixture.key, { ttl: 1_000 });
      const [slot] = await acquire(mutex, 1);
      await fixture.harness.forget(fixture.key);
      await slot!.release();
      assertEquals(count(await acquire(mutex, 2)), 1);
    },
  },

  bucket: {
    // Reference: BucketRateLimiter
    rule: "BucketRateLimiter lets as many in as its limit says in each bucket",
    async check(fixture) {
      let now = START + 3_000;
      const clock = { ...systemClock, now: () => now };
      const options = { limit: 3, bucket: 10_000, clock };
      const limiter = new BucketRateLimiter(await fixture.open(), fixture.key, options);
      const slots = await acquire(limiter, 5);
      assertEquals(count(slots), 3);
      for (const slot of slots) await slot.release();
      now = START + 9_999;
      assertEquals(count(await acquire(limiter, 1)), 0);
      now = START + 10_000;
      assertEquals(count(await acquire(limiter, 5)), 3);
    },
  },

  window: {
    // Reference: WindowRateLimiter
    rule: "WindowRateLimiter lets as many in as its limit says in any window",
    async check(fixture) {
      let second = 0;
      const clock = { ...systemClock, now: () => START + second * 1_000 + 500 };
      const options = { limit: 3, window: 5, clock };
      const limiter = new WindowRateLimiter(await fixture.open(), fixture.key, options);
      const passed: number[] = [];
      for (second = 0; second < 15; second++) {
        for (const { acquired } of await acquire(limiter, second % 3)) {
          if (acquired) passed.push(second);
        }
      }
      // By hand: 0 comes at seconds 0, 3, 6, …; 1 at 1, 4, …; 2 at 2, 5, ….
      assertEquals(passed, [1, 2, 2, 7, 8, 8, 13, 14, 14]);
    },
  },

  windowTurn: {
    rule: "WindowRateLimiter takes one slot when a second ends before the answer comes",
    async check(fixture) {
      const times = [999];
      const clock = { ...systemClock, now: () => START + (times.shift() ?? 1_000) };
      const options = { limit: 1, window: 5, clock };
      const limiter = new WindowRateLimiter(await fixture.open(), fixture.key, options);
      assertEquals(count(await acquire(limiter, 2)), 1);
      assertEquals(times, []);
    },
  },

  windowOfPeers: {
    rule: "WindowRateLimiter sees those who are a second ahead",
    async check(fixture) {
      let second = 1;
      const clock = { ...systemClock, now: () => START + second * 1_000 };
      const options = { limit: 2, window: 3, clock };
      const limiter = new WindowRateLimiter(await fixture.open(), fixture.key, options);
      assertEquals(count(await acquire(limiter, 3)), 2);
      second = 0;
      assertEquals(count(await acquire(limiter, 1)), 0);
    },
  },

  checks: {
    rule: "limiters and barriers refuse numbers that are not whole and above 0, and empty keys",
    async check(fixture) {
      const backend = await fixture.open();
      const { key } = fixture;
      for (const bad of [0, -1, 1.5, NaN, Infinity]) {
        for (
          const make of [
            () => new ConcurrentRateLimiter(backend, key, { limit: bad }),
            () => new ConcurrentRateLimiter(backend, key, { ttl: bad }),
            () => new BucketRateLimiter(backend, key, { limit: bad }),
            () => new BucketRateLimiter(backend, key, { bucket: bad }),
            () => new WindowRateLimiter(backend, key, { limit: bad }),
            () => new WindowRateLimiter(backend, key, { window: bad }),
            () => new Barrier(backend, key, { ttl: bad }),
          ]
        ) {
          assertThrows(make, RangeError, "whole number above 0");
        }
        await assertRejects(() => new Barrier(backend, key).create(bad), RangeError, "parties");
      }
      for (const bad of ["", undefined as unknown as string, 7 as unknown as string]) {
        assertThrows(() => new BucketRateLimiter(backend, bad), TypeError, "Cannot use key");
        assertThrows(() => new Barrier(backend, bad), TypeError, "Cannot use key");
      }
    },
  },
};

function fail(text: string): never {
  throw new Error(text);
}
