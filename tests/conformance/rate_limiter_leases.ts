import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import {
  BrokerConnectionError,
  ConcurrentRateLimiter,
  type RateLimiterBackend,
  WindowRateLimiter,
} from "@dq/dramatiq";
import { eventually } from "../support/servers/until.ts";
import type { Rules } from "./rate_limiter_harness.ts";

const TTL = 60_000;
/** A lease that ends while a test waits, by the clock of the server. */
const SHORT = 100;
/** More answers than it takes to take a lease on any backend. */
const MOST_ANSWERS = 5;
/** Tolerated difference between the clocks of the process and of the server. */
const CLOCK_RATE = 5;

const room = async (backend: RateLimiterBackend, key: string, limit: number) => {
  let taken = 0;
  while (await backend.lease(key, crypto.randomUUID(), limit, TTL)) taken += 1;
  return taken;
};

/** Slots that end by themselves. */
export const leases: Rules = {
  leaseToLimit: {
    rule: "lease gives as many as there are, to each holder one, and more when one was ended",
    async check(fixture) {
      const { key } = fixture;
      const [backend, other] = [await fixture.open(), await fixture.open()];
      assertEquals(await backend.lease(key, "a", 2, TTL), true);
      assertEquals(await other.lease(key, "a", 2, TTL), true, "it was not renewed");
      assertEquals(await other.lease(key, "b", 2, TTL), true);
      assertEquals(await backend.lease(key, "c", 2, TTL), false);
      assertEquals(await backend.lease(key, "c", 2, 0), false);
      assertEquals(await backend.lease(key, "b", 2, TTL), true);
      assertEquals(await backend.lease(key, "a", 2, 0), false);
      assertEquals(await other.lease(key, "c", 2, TTL), true);
      assertEquals(await other.lease(key, "a", 2, TTL), false, "what has ended was renewed");
      assertEquals(await room(other, `${key}-other`, 3), 3);
    },
  },

  leaseExactly: {
    rule: "lease grants exactly its limit to many concurrent callers",
    async check(fixture) {
      const backends = [await fixture.open(), await fixture.open(), await fixture.open()];
      const taken = await Promise.all(
        Array.from(
          { length: 300 },
          (_, i) => backends[i % 3]!.lease(fixture.key, `holder ${i}`, 42, TTL),
        ),
      );
      assertEquals(taken.filter(Boolean).length, 42);
    },
  },

  leaseEnds: {
    rule: "lease ends each lease at its own time, whatever is done with the others",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      const began = performance.now();
      assertEquals(await backend.lease(key, "dead", 2, SHORT), true);
      assertEquals(await backend.lease(key, "alive", 2, TTL), true);
      await eventually("end a lease", async () => {
        assertEquals(await backend.lease(key, "alive", 2, TTL), true);
        return await backend.lease(key, "other", 2, TTL);
      });
      assertGreaterOrEqual(performance.now() - began, SHORT - CLOCK_RATE);
      assertEquals(await backend.lease(key, "dead", 2, TTL), false);
    },
  },

  leaseTtls: {
    rule: "lease refuses a time to live that is not a whole number of 0 or more",
    async check(fixture) {
      const backend = await fixture.open();
      for (const ttl of [-1, 1.5, NaN, Infinity]) {
        await assertRejects(
          () => backend.lease(fixture.key, "a", 1, ttl),
          RangeError,
          `Cannot use ttl ${ttl}: it must be a whole number of 0 or more`,
        );
      }
    },
  },

  leaseUnderCuts: {
    rule: "lease that is repeated takes one, whatever answer is lost",
    needs: "openProxied",
    async check(fixture) {
      const { backend, proxy } = await fixture.openProxied();
      const other = await fixture.open();
      for (let answers = 0; answers < MOST_ANSWERS; answers++) {
        const key = `${fixture.key}-${answers}`;
        await backend.lease(`${key}-first`, "a", 1, TTL); // it is connected
        const take = () => backend.lease(key, "a", 3, TTL);
        const reconnected = proxy.nextConnection();
        proxy.begin({ kind: "cut", answers });
        const taking = take().catch((error) => {
          if (!(error instanceof BrokerConnectionError)) throw error;
        });
        await Promise.race([taking, reconnected]);
        proxy.heal();
        assertEquals(await taking ?? await take(), true);
        assertEquals(await room(other, key, 3), 2, `cut after ${answers} answers`);
      }
    },
  },

  leasedSlots: {
    rule: "ConcurrentRateLimiter with leases lets as many in as its limit says",
    async check(fixture) {
      const options = { limit: 2, leases: true };
      const limiter = new ConcurrentRateLimiter(await fixture.open(), fixture.key, options);
      const other = new ConcurrentRateLimiter(await fixture.open(), fixture.key, options);
      assertEquals([limiter.ttl, limiter.leases], [30_000, true]);
      const acquire = (one: ConcurrentRateLimiter) => one.acquire({ raiseOnFailure: false });
      const [first, second] = [await acquire(limiter), await acquire(other)];
      assertEquals([first.acquired, second.acquired], [true, true]);
      assertEquals((await acquire(limiter)).acquired, false);
      await first.release();
      await first.release();
      await second.release();
      assertEquals(await other.run((signal) => signal?.aborted), false);
      const plain = new ConcurrentRateLimiter(await fixture.open(), fixture.key, { limit: 1 });
      assertEquals((await acquire(plain)).acquired, true, "leases count with Python's holders");
    },
  },

  deadHolder: {
    rule: "ConcurrentRateLimiter with leases frees the slot of a dead holder while others use it",
    async check(fixture) {
      const backend = await fixture.open();
      const limiter = new ConcurrentRateLimiter(backend, fixture.key, { limit: 2, leases: true });
      await backend.lease(`${fixture.key}@leases`, "dead", 2, SHORT);
      await eventually("have all slots back", async () => {
        await using _one = await limiter.acquire();
        await using two = await limiter.acquire({ raiseOnFailure: false });
        return two.acquired;
      });
    },
  },

  slidingWindow: {
    rule: "WindowRateLimiter that slides lets its limit in within any window, wherever it begins",
    async check(fixture) {
      const options = { limit: 10, sliding: true };
      const limiter = new WindowRateLimiter(await fixture.open(), fixture.key, options);
      const other = new WindowRateLimiter(await fixture.open(), fixture.key, options);
      const acquire = (one: WindowRateLimiter) => one.acquire({ raiseOnFailure: false });
      const began = performance.now();
      const slots = await Promise.all(
        Array.from({ length: 30 }, (_, i) => acquire(i % 2 === 0 ? limiter : other)),
      );
      const acquired = slots.filter(({ acquired }) => acquired);
      assertEquals(acquired.length, 10);
      for (const slot of acquired) await slot.release(); // it stays used up
      await eventually("come in", async () => (await acquire(limiter)).acquired);
      assertGreaterOrEqual(performance.now() - began, 1_000 - CLOCK_RATE);
      assert(limiter.sliding);
    },
  },
};
