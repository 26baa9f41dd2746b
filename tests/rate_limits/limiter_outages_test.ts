import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  BrokerConnectionError,
  ConcurrentRateLimiter,
  MemcachedRateLimiterBackend,
  type RateLimiter,
  type RateLimiterBackend,
  RedisRateLimiterBackend,
  type Slot,
  WindowRateLimiter,
} from "@dq/dramatiq";
import { nextTurn } from "../../platform/runtime.ts";
import { testOwn } from "../servers/own.ts";
import type { ServerAddress } from "../support/servers/exchange.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRedis } from "../support/servers/redis.ts";
import { eventually } from "../support/servers/until.ts";

const USERS = 8;
const LIMIT = 3;
const CUTS = 20;
/** Turns in which users who are cut off try to get in between two cuts. */
const ATTEMPTS_PER_CUT = 15;
const TTL = 2_000;
/** Milliseconds of a sliding window of one second, less those by which clocks may differ. */
const SLIDING = 980;

/** Tries to get in, and comes out with nothing where the connection is cut. */
async function acquire(limiter: RateLimiter): Promise<Slot | undefined> {
  try {
    return await limiter.acquire({ raiseOnFailure: false });
  } catch (error) {
    if (!(error instanceof BrokerConnectionError)) throw error;
    return undefined;
  }
}

/** Uses limiters while their backend is cut off again and again. */
async function useUnderCuts(
  server: ServerAddress,
  open: (address: string) => RateLimiterBackend,
): Promise<void> {
  await using proxy = await startProxy(server);
  await using near = open(`${proxy.host}:${proxy.port}`);
  await using far = open(`${server.host}:${server.port}`);
  const slots = (backend: RateLimiterBackend) =>
    new ConcurrentRateLimiter(backend, "slots", { limit: LIMIT, ttl: TTL, leases: true });
  const window = (backend: RateLimiterBackend) =>
    new WindowRateLimiter(backend, "window", { limit: LIMIT, sliding: true });
  let attempts = 0;
  let cuts = 0;
  let holders = 0;
  let most = 0;
  /** The times between which each came in: when it asked, and when it was answered. */
  const passed: [number, number][] = [];
  const use = async (backend: RateLimiterBackend) => {
    const [limiter, sliding] = [slots(backend), window(backend)];
    while (cuts < CUTS) {
      if (backend === near && ++attempts % ATTEMPTS_PER_CUT === 0) {
        cuts += 1;
        void proxy.cut();
      }
      const slot = await acquire(limiter);
      if (slot?.acquired) {
        holders += 1;
        most = Math.max(most, holders);
        await nextTurn();
        holders -= 1;
        await slot.release();
      }
      const askedAt = performance.now();
      if ((await acquire(sliding))?.acquired) passed.push([askedAt, performance.now()]);
    }
  };
  await Promise.all(Array.from({ length: USERS }, (_, i) => use(i % 2 === 0 ? near : far)));
  assert(most <= LIMIT, `${most} held one of ${LIMIT} slots`);
  assertGreater(proxy.totalConnections, CUTS / 2, "hardly anything was cut");
  for (const [first] of passed) {
    const count = passed.filter(([asked, answered]) =>
      asked >= first && answered < first + SLIDING
    ).length;
    assert(count <= LIMIT, `${count} came in within ${SLIDING} ms`);
  }
  await eventually("have all slots back", async () => {
    const all = await Promise.all(Array.from({ length: LIMIT }, () => acquire(slots(far))));
    for (const slot of all) await slot?.release();
    return all.every((slot) => slot?.acquired);
  });
  assertEquals(holders, 0);
}

testOwn("redis-server")(
  "limiters keep their promise and lose no slot while Redis is cut off",
  async () => {
    await using server = await startRedis();
    await useUnderCuts(server, (address) => {
      return new RedisRateLimiterBackend({ url: `redis://${address}` });
    });
  },
);

testOwn("memcached")(
  "limiters keep their promise and lose no slot while Memcached is cut off",
  async () => {
    await using server = await startOwnMemcached();
    await useUnderCuts(server, (servers) => new MemcachedRateLimiterBackend({ servers }));
  },
);
