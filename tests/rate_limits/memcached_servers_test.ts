import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Barrier,
  BrokerConnectionError,
  ConcurrentRateLimiter,
  MemcachedRateLimiterBackend,
  systemClock,
  WindowRateLimiter,
} from "@dq/dramatiq";
import { serverIndex } from "../../clients/memcached/servers.ts";
import { testOwn } from "../servers/own.ts";
import { SERVER_FAULTS, withServers } from "../support/servers/memcached_servers.ts";
import { startProxy } from "../support/servers/proxy.ts";

const test = testOwn("memcached");
/** The one of the servers that is away. */
const AWAY = 1;
const TTL = 600_000;

/** A key that lies on this server of three. */
function keyOn(server: number): string {
  for (;;) {
    const key = crypto.randomUUID();
    if (serverIndex(key, 3) === server) return key;
  }
}

for (const { name, begin, end } of SERVER_FAULTS) {
  test(`MemcachedBackend clears barriers on healthy servers while one ${name}`, () =>
    withServers(async (servers, addresses) => {
      await using here = new MemcachedRateLimiterBackend({ servers: addresses });
      await using there = new MemcachedRateLimiterBackend({ servers: addresses });
      const [away, healthy] = [new Barrier(here, keyOn(AWAY)), new Barrier(here, keyOn(0))];
      for (const barrier of [away, healthy]) {
        await barrier.create(2);
        assertEquals(await barrier.wait({ block: false }), false);
      }
      await begin(servers[AWAY]!);
      let isCleared = false;
      const late = here.wait(away.key, TTL).then(() => assert(isCleared, "it came from nowhere"));
      const early = here.wait(healthy.key, TTL);
      assertEquals(await new Barrier(there, healthy.key).wait(), true);
      assertEquals(await early, true);
      await end(servers[AWAY]!);
      isCleared = true;
      await there.waitNotify(away.key, TTL);
      await late;
    }));

  test(`MemcachedBackend limits on healthy servers while one ${name}`, () =>
    withServers(async (servers, addresses) => {
      await using backend = new MemcachedRateLimiterBackend({ servers: addresses });
      const [away, healthy] = [keyOn(AWAY), keyOn(2)].map((key) =>
        new ConcurrentRateLimiter(backend, key)
      );
      await begin(servers[AWAY]!);
      const failing = assertRejects(() => away!.acquire(), BrokerConnectionError);
      assertEquals(await healthy!.run(() => "in"), "in");
      await failing;
      await end(servers[AWAY]!);
      assertEquals(await away!.run(() => "in"), "in");
    }));
}

test("WindowRateLimiter takes back what it cannot verify while a server is away", () =>
  withServers(async (servers, addresses) => {
    await using proxy = await startProxy(servers[AWAY]!);
    const proxied = addresses.with(AWAY, `${proxy.host}:${proxy.port}`);
    await using backend = new MemcachedRateLimiterBackend({ servers: proxied });
    const clock = { ...systemClock, now: () => 1_700_000_000_000 };
    const key = [..."abcdefghij"].find((key) => serverIndex(`${key}@1700000000`, 3) !== AWAY)!;
    const window = new WindowRateLimiter(backend, key, { limit: 1, window: 30, clock });
    proxy.begin({ kind: "silent", answers: 1 }); // to the look before it counts
    await assertRejects(() => window.acquire(), BrokerConnectionError);
    proxy.heal();
    assertEquals((await window.acquire({ raiseOnFailure: false })).acquired, true);
    assertEquals((await window.acquire({ raiseOnFailure: false })).acquired, false);
  }));
