import { assert, assertEquals, assertRejects } from "@std/assert";
import { Barrier, BarrierNotFound } from "@dq/dramatiq";
import type { Rules } from "./rate_limiter_harness.ts";

const TTL = 60_000;
const PARTIES = 1_000;

/** Meeting of parties. */
export const barriers: Rules = {
  notifyThenWait: {
    // Reference: RateLimiterBackend.wait
    rule: "wait returns at once when waitNotify was called before",
    async check(fixture) {
      const { key } = fixture;
      const backend = await fixture.open();
      assertEquals(await backend.waitNotify(key, TTL), true);
      assertEquals(await backend.waitNotify(key, TTL), true);
      assertEquals(await backend.wait(key, TTL), true);
      assertEquals(await (await fixture.open()).wait(key, TTL), true);
    },
  },

  waitThenNotify: {
    // Reference: RateLimiterBackend.wait_notify
    rule: "waitNotify wakes all waiters of its key, and no others",
    async check(fixture) {
      const { key } = fixture;
      const [backend, other] = [await fixture.open(), await fixture.open()];
      const ended: string[] = [];
      const aborter = new AbortController();
      const wait = async (name: string) => {
        assertEquals(await backend.wait(name, TTL, aborter.signal), true);
        ended.push(name);
      };
      const waiting = [wait(key), wait(key)];
      const strange = assertRejects(() => wait(`${key}-other`), Error, "enough");
      await other.waitNotify(key, TTL);
      await Promise.all(waiting);
      assertEquals(ended, [key, key]);
      aborter.abort(new Error("enough"));
      await strange;
    },
  },

  create: {
    // Reference: Barrier.create
    rule: "Barrier.create makes a barrier once",
    async check(fixture) {
      const barrier = new Barrier(await fixture.open(), fixture.key);
      assertEquals(barrier.ttl, 900_000);
      assertEquals(await barrier.create(2), true);
      assertEquals(await barrier.create(5), false);
      assertEquals(await barrier.wait({ block: false }), false);
      assertEquals(await barrier.wait({ block: false }), true);
      assertEquals(await barrier.create(2), false, "a cleared barrier was made anew");
    },
  },

  cleared: {
    rule: "Barrier.wait says true to the last party and to all who come later",
    async check(fixture) {
      const [backend, other] = [await fixture.open(), await fixture.open()];
      await new Barrier(backend, fixture.key).create(3);
      const arrivals: boolean[] = [];
      for (const one of [backend, other, backend, other, backend]) {
        arrivals.push(await new Barrier(one, fixture.key).wait({ block: false }));
      }
      assertEquals(arrivals, [false, false, true, true, true]);
      assertEquals(await new Barrier(other, fixture.key).wait(), true);
    },
  },

  blocking: {
    // Reference: Barrier.wait
    rule: "Barrier.wait blocks until the last party has arrived",
    async check(fixture) {
      const barriers = [await fixture.open(), await fixture.open(), await fixture.open()].map((
        one,
      ) => new Barrier(one, fixture.key));
      await barriers[0]!.create(3);
      let last = false;
      const early = [0, 1].map(async (i) => {
        assertEquals(await barriers[i]!.wait(), true);
        assert(last, "one was let through before all had arrived");
      });
      await barriers[2]!.backend.wait(fixture.key, 20).then((woken) => assertEquals(woken, false));
      last = true;
      assertEquals(await barriers[2]!.wait(), true);
      await Promise.all(early);
    },
  },

  timeout: {
    rule: "Barrier.wait says false when its timeout is over, and stays counted",
    async check(fixture) {
      const barrier = new Barrier(await fixture.open(), fixture.key);
      await barrier.create(3);
      assertEquals(await barrier.wait({ timeout: 0 }), false);
      assertEquals(await barrier.wait({ timeout: 5 }), false);
      assertEquals(await barrier.wait({ timeout: 5 }), true);
      await assertRejects(() => barrier.wait({ timeout: -1 }), RangeError, "Cannot wait for -1 ms");
      await assertRejects(() => barrier.wait({ timeout: NaN }), RangeError, "Cannot wait for NaN");
    },
  },

  signal: {
    rule: "Barrier.wait throws the reason of its signal, at once, and stays counted",
    async check(fixture) {
      const barrier = new Barrier(await fixture.open(), fixture.key);
      await barrier.create(2);
      const reason = new Error("given up");
      const aborter = new AbortController();
      const { signal } = aborter;
      const waiting = assertRejects(() => barrier.wait({ signal, timeout: Infinity }), Error);
      await barrier.backend.wait(fixture.key, 20);
      aborter.abort(reason);
      assertEquals(await waiting, reason);
      assertEquals(await assertRejects(() => barrier.wait({ signal }), Error), reason);
      assertEquals(await barrier.wait({ block: false }), true); // the second one did not count
    },
  },

  missing: {
    rule: "Barrier.wait throws BarrierNotFound when there is none, or it is forgotten",
    async check(fixture) {
      const barrier = new Barrier(await fixture.open(), fixture.key);
      await assertRejects(() => barrier.wait(), BarrierNotFound, "it was not created");
      await assertRejects(() => barrier.wait({ block: false }), BarrierNotFound, fixture.key);
      await barrier.create(2);
      await barrier.wait({ block: false });
      await fixture.harness.forget(fixture.key);
      await assertRejects(() => barrier.wait({ block: false }), BarrierNotFound);
      assertEquals(await barrier.create(1), true);
    },
  },

  thousand: {
    // Reference: Barrier
    rule: "Barrier lets a thousand parties through, all of them and only together",
    async check(fixture) {
      const backends = [await fixture.open(), await fixture.open(), await fixture.open()];
      const barriers = backends.map((one) => new Barrier(one, fixture.key, { ttl: TTL }));
      await barriers[0]!.create(PARTIES);
      let through = 0;
      const early = Array.from({ length: PARTIES - 1 }, async (_, i) => {
        const isCleared = await barriers[i % barriers.length]!.wait();
        through += 1;
        return isCleared;
      });
      for (const { backend } of barriers) {
        assertEquals(await backend.wait(fixture.key, 20), false);
      }
      assertEquals(through, 0);
      assertEquals(await barriers[0]!.wait(), true);
      const cleared = await Promise.all(early);
      assertEquals(cleared.filter(Boolean).length, PARTIES - 1);
    },
  },

  restart: {
    rule: "Barrier.wait goes on when its server was killed and started again",
    needs: "restart",
    async check(fixture) {
      const { key, harness } = fixture;
      const backend = await fixture.open();
      const barrier = new Barrier(backend, key, { ttl: TTL });
      await barrier.create(51);
      const waiting = Array.from({ length: 50 }, () => barrier.wait());
      assertEquals(await backend.wait(key, 20), false);
      await harness.untilWaiting?.();
      await harness.restart!();
      const fresh = new Barrier(await fixture.open(), key, { ttl: TTL });
      await fresh.create(1); // where the server has forgotten all
      assertEquals(await fresh.wait(), true);
      assertEquals(new Set(await Promise.all(waiting)), new Set([true]));
    },
  },
};
