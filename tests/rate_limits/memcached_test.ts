import { assertEquals, assertRejects } from "@std/assert";
import {
  Barrier,
  ConcurrentRateLimiter,
  ConnectionFailed,
  MemcachedRateLimiterBackend,
  WindowRateLimiter,
} from "@dq/dramatiq";
import { MemcachedConnection } from "../../clients/memcached/connection.ts";
import { testOwn } from "../servers/own.ts";
import { rateLimiterBackendConformance } from "../conformance/rate_limiter_backend.ts";
import { startMemcached, startOwnMemcached } from "../support/servers/memcached.ts";
import { freePort } from "../support/servers/free_port.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { after, test } from "../support/test.ts";

const server = await startMemcached();
const connection = new MemcachedConnection({ servers: server.address });
after(async () => {
  connection.close();
  await server.stop();
});

rateLimiterBackendConformance({
  name: "MemcachedBackend",
  open: () => new MemcachedRateLimiterBackend({ servers: server.address }),
  forget: async (key) => void await connection.delete(key),
  endClaim: async (group) => void await connection.delete(`${group}@claim`),
  address: { kind: "memcached", address: server.address },
  openProxied: async () => {
    const proxy = await startProxy(server);
    const servers = `${proxy.host}:${proxy.port}`;
    return { proxy, backend: new MemcachedRateLimiterBackend({ servers }) };
  },
  ...(server.isOwn && { restart: () => server.restart() }),
  skips: {
    ...(!server.isOwn && { restart: "others use the server, too" }),
    incrExactly: "memcached cannot compare before it counts: of several who come at the same " +
      "moment it may refuse more than it would have to",
    decrRefused:
      "memcached counts down to 0 and no further, and does not tell whether it would have",
  },
});

testOwn("memcached")("MemcachedBackend counts on several servers as on one", async () => {
  await using second = await startOwnMemcached();
  const servers = [server.address, second.address];
  await using backend = new MemcachedRateLimiterBackend({ servers });
  for (let i = 0; i < 10; i++) {
    const key = `servers-${crypto.randomUUID()}`;
    const window = new WindowRateLimiter(backend, key, { limit: 2, window: 20 });
    await window.acquire();
    await window.acquire();
    assertEquals((await window.acquire({ raiseOnFailure: false })).acquired, false);
    const barrier = new Barrier(backend, key);
    await barrier.create(2);
    assertEquals(await Promise.all([barrier.wait(), barrier.wait()]), [true, true]);
    const group = crypto.randomUUID();
    await backend.add(group, 2, 60_000);
    const members = [await backend.countMember(group, "a", 60_000)];
    members.push(await backend.countMember(group, "b", 60_000));
    assertEquals(members, ["waiting", "complete"]);
  }
});

test("MemcachedBackend grants a slot after refusals, which leave no trace", async () => {
  await using backend = new MemcachedRateLimiterBackend({ servers: server.address });
  const mutex = new ConcurrentRateLimiter(backend, `trace-${crypto.randomUUID()}`);
  const slot = await mutex.acquire();
  const all = Array.from({ length: 100 }, () => mutex.acquire({ raiseOnFailure: false }));
  assertEquals((await Promise.all(all)).filter(({ acquired }) => acquired), []);
  await slot.release();
  assertEquals(await mutex.run(() => "in"), "in");
});

test("MemcachedBackend says so when there is no server", async () => {
  await using backend = new MemcachedRateLimiterBackend({
    servers: `127.0.0.1:${await freePort()}`,
  });
  await assertRejects(() => backend.incr("key", 1, 1, 60_000), ConnectionFailed);
});
