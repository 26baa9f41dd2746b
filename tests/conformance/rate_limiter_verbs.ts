import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionClosed } from "@dq/dramatiq";
import type { Rules } from "./rate_limiter_harness.ts";

const TTL = 60_000;
/** Beyond 30 days Memcached takes a number of seconds for a date. */
const MONTHS = 90 * 86_400_000;

/** Rules of counters. */
export const verbs: Rules = {
  addOnce: {
    // Reference: RateLimiterBackend.add
    rule: "add sets a counter that is not there, and no other",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      assertEquals(await backend.add(key, 2, TTL), true);
      assertEquals(await backend.add(key, 7, TTL), false);
      assertEquals(await backend.incr(key, 1, 3, TTL), true);
      assertEquals(await backend.incr(key, 1, 3, TTL), false);
      assertEquals(await backend.add(`${key}-other`, 1, TTL), true);
      assertEquals(await (await fixture.open()).add(key, 1, TTL), false);
    },
  },

  addForgotten: {
    rule: "add sets a counter again when its time is over",
    async check(fixture) {
      const { key, harness } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 2, 1_000);
      await harness.forget(key);
      assertEquals(await backend.add(key, 1, TTL), true);
    },
  },

  longTimes: {
    rule: "every verb takes a time to live of months",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      assertEquals(await backend.add(key, 1, MONTHS), true);
      assertEquals(await backend.add(key, 1, MONTHS), false);
      assertEquals(await backend.incr(key, 1, 3, MONTHS), true);
      assertEquals(await backend.decr(key, 1, 0, MONTHS), true);
      assertEquals(await backend.incrAndSum(key, [key], 1, 3, MONTHS), true);
      assertEquals(await backend.incrAndSum(key, [key], 1, 2, MONTHS), false);
    },
  },

  incrToMaximum: {
    // Reference: RateLimiterBackend.incr
    rule: "incr counts from 0 to its maximum, and what it refuses does not count",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      assertEquals(await backend.incr(key, 6, 5, TTL), false);
      assertEquals(await backend.incr(key, 3, 5, TTL), true);
      assertEquals(await backend.incr(key, 3, 5, TTL), false);
      assertEquals(await backend.incr(key, 2, 5, TTL), true);
      assertEquals(await backend.incr(key, 1, 5, TTL), false);
      assertEquals(await backend.incr(key, 1, 6, TTL), true);
    },
  },

  incrExactly: {
    rule: "incr admits exactly its maximum of many concurrent callers",
    async check(fixture) {
      const { key } = fixture;
      const backends = [await fixture.open(), await fixture.open(), await fixture.open()];
      const counted = await Promise.all(
        Array.from({ length: 300 }, (_, i) => backends[i % 3]!.incr(key, 1, 42, TTL)),
      );
      assertEquals(counted.filter(Boolean).length, 42);
    },
  },

  decrToMinimum: {
    // Reference: RateLimiterBackend.decr
    rule: "decr counts down to its minimum and no further",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 3, TTL);
      assertEquals(await backend.decr(key, 1, 1, TTL), true);
      assertEquals(await backend.decr(key, 1, 1, TTL), true);
      assertEquals(await backend.decr(key, 1, 1, TTL), false);
    },
  },

  decrRefused: {
    rule: "decr leaves a counter alone that would go below the minimum",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 3, TTL);
      assertEquals(await backend.decr(key, 4, 0, TTL), false);
      assertEquals(await backend.decr(key, 3, 0, TTL), true);
      assertEquals(await backend.decr(key, 1, 0, TTL), false);
    },
  },

  decrMissing: {
    rule: "decr has nothing to count down from where no counter is",
    async check(fixture) {
      const { key, harness } = fixture;
      const backend = await fixture.open();
      assertEquals(await backend.decr(key, 1, 0, TTL), undefined);
      await backend.add(key, 3, TTL);
      await harness.forget(key);
      assertEquals(await backend.decr(key, 1, 0, TTL), undefined);
      assertEquals(await backend.add(key, 1, TTL), true, "decr has made one");
    },
  },

  sum: {
    // Reference: RateLimiterBackend.incr_and_sum
    rule: "incrAndSum counts while the sum of all keys is within its maximum",
    async check(fixture) {
      const backend = await fixture.open();
      const [a, b, c] = ["a", "b", "c"].map((name) => `${fixture.key}-${name}`) as [
        string,
        string,
        string,
      ];
      await backend.add(a, 2, TTL);
      await backend.add(b, 1, TTL);
      assertEquals(await backend.incrAndSum(c, [c, b, a], 2, 4, TTL), false);
      assertEquals(await backend.incrAndSum(c, [c, b, a], 1, 4, TTL), true);
      assertEquals(await backend.incrAndSum(c, [c, b, a], 1, 4, TTL), false);
      assertEquals(await backend.incrAndSum(a, [c, b, a], 1, 4, TTL), false);
      assertEquals(await backend.incrAndSum(c, [c, b], 2, 4, TTL), true); // 3 and 1
      assertEquals(await backend.incr(c, 1, 4, TTL), true);
    },
  },

  sumAtOnce: {
    rule: "incrAndSum never exceeds its maximum when many come at once, each with a key of its own",
    async check(fixture) {
      const backends = [await fixture.open(), await fixture.open(), await fixture.open()];
      await Promise.all(backends.map((backend) => backend.add(fixture.key, 1, TTL))); // connected
      const keys = Array.from({ length: 30 }, (_, i) => `${fixture.key}-${i}`);
      const counted = await Promise.all(
        keys.map((key, i) => backends[i % 3]!.incrAndSum(key, keys, 1, 4, TTL)),
      );
      const count = counted.filter(Boolean).length;
      assert(count <= 4, `${count} were counted`);
    },
  },

  sumOfThousands: {
    rule: "incrAndSum sums up thousands of keys",
    async check(fixture) {
      const backend = await fixture.open();
      const keys = Array.from({ length: 3_600 }, (_, i) => `${fixture.key}@${i}`);
      await Promise.all([0, 999, 1_000, 3_599].map((i) => backend.add(keys[i]!, 1, TTL)));
      assertEquals(await backend.incrAndSum(keys[7]!, keys, 1, 4, TTL), false);
      assertEquals(await backend.incrAndSum(keys[7]!, keys, 1, 5, TTL), true);
    },
  },

  oddKeys: {
    rule: "keys may hold any text",
    async check(fixture) {
      const backend = await fixture.open();
      for (const text of ["żółw 🐢", "a b", "{a}b", "{", "a:b@c", "'\"\\"]) {
        const key = `${fixture.key}${text}`;
        assertEquals(await backend.incr(key, 1, 1, TTL), true, key);
        assertEquals(await backend.incrAndSum(key, [key], 1, 1, TTL), false, key);
        assertEquals(await backend.decr(key, 1, 0, TTL), true, key);
      }
    },
  },

  badTimes: {
    // Reference: RateLimiterBackend
    rule: "every verb refuses a time to live that is not a whole number above 0",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      for (const ttl of [0, -1, 1.5, NaN, Infinity]) {
        for (
          const call of [
            () => backend.add(key, 1, ttl),
            () => backend.incr(key, 1, 1, ttl),
            () => backend.decr(key, 1, 0, ttl),
            () => backend.incrAndSum(key, [key], 1, 1, ttl),
            () => backend.waitNotify(key, ttl),
            () => backend.countMember(key, "member", ttl),
            () => backend.concludeGroup(key, ttl),
          ]
        ) {
          await assertRejects(call, RangeError, `Cannot use ttl ${ttl}: it must be a whole number`);
        }
      }
      assertEquals(await backend.decr(key, 1, 0, TTL), undefined);
    },
  },

  closed: {
    rule: "every verb of a backend that was closed throws ConnectionClosed",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      await backend.add(key, 1, TTL);
      const waiting = assertRejects(() => backend.wait(`${key}-b`, TTL), ConnectionClosed);
      await backend.close();
      await waiting;
      for (
        const call of [
          () => backend.add(key, 1, TTL),
          () => backend.incr(key, 1, 1, TTL),
          () => backend.decr(key, 1, 0, TTL),
          () => backend.incrAndSum(key, [key], 1, 1, TTL),
          () => backend.lease(key, "holder", 1, TTL),
          () => backend.wait(key, TTL),
          () => backend.waitNotify(key, TTL),
          () => backend.countMember(key, "member", TTL),
          () => backend.concludeGroup(key, TTL),
        ]
      ) {
        await assertRejects(call, ConnectionClosed);
      }
      await backend.close();
    },
  },
};
