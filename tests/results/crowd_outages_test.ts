import { assertEquals } from "@std/assert";
import {
  MemcachedResultBackend,
  RedisResultBackend,
  type ResultBackend,
  type ResultBackendOptions,
} from "@dq/dramatiq";
import { newMessage } from "../conformance/result_backend_keeping.ts";
import { testOwn } from "../servers/own.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startProxy, type TcpProxy } from "../support/servers/proxy.ts";
import { startRedis } from "../support/servers/redis.ts";
import type { TestServer } from "../support/servers/test_server.ts";

const CROWD = 1_000;
const TTL = 600_000;
const forLong = { block: true, timeout: 300_000 };

/** A server, and backends that reach it under an address. */
interface System {
  readonly name: string;
  readonly program: "redis-server" | "memcached";
  start(): Promise<TestServer>;
  open(address: string, options: ResultBackendOptions): ResultBackend;
}

const SYSTEMS: readonly System[] = [
  {
    name: "Redis",
    program: "redis-server",
    start: () => startRedis(),
    open: (address, options) => new RedisResultBackend({ url: `redis://${address}`, ...options }),
  },
  {
    name: "memcached",
    program: "memcached",
    start: () => startOwnMemcached(),
    open: (servers, options) => new MemcachedResultBackend({ servers, ...options }),
  },
];

/** Fault of the waiters, and when the results are stored, by a client without a proxy. */
type Fault = (entry: {
  readonly server: TestServer;
  readonly proxy: TcpProxy;
  readonly store: (from: number, to: number) => Promise<unknown>;
}) => Promise<void>;

const FAULTS: Readonly<Record<string, Fault>> = {
  "is cut again and again": async ({ proxy, store }) => {
    for (let i = 0; i < 10; i++) {
      const [from, to] = [i * CROWD / 10, (i + 1) * CROWD / 10];
      await Promise.all([proxy.cut(), store(from, to)]);
    }
  },
  "falls silent": async ({ proxy, store }) => {
    const reconnected = proxy.nextConnection();
    proxy.begin({ kind: "silent", answers: 0 });
    await store(0, CROWD / 2);
    await reconnected;
    proxy.heal();
    await store(CROWD / 2, CROWD);
  },
  "stands still": async ({ server, proxy, store }) => {
    await store(0, CROWD / 2);
    await server.pause();
    await proxy.nextConnection();
    server.continue();
    await store(CROWD / 2, CROWD);
  },
  "is restarted and forgets all": async ({ server, store }) => {
    await server.restart();
    await store(0, CROWD);
  },
};

for (const { name, program, start, open } of SYSTEMS) {
  for (const [what, happen] of Object.entries(FAULTS)) {
    testOwn(program)(
      `a thousand who wait get their own results though ${name} ${what}`,
      async () => {
        await using server = await start();
        await using proxy = await startProxy(server);
        await using here = open(`${proxy.host}:${proxy.port}`, {});
        await using there = open(`${server.host}:${server.port}`, {});
        const messages = Array.from({ length: CROWD }, () => newMessage());
        const results = messages.map((message) => here.getResult(message, forLong));
        await here.getResult(newMessage()).catch(() => {}); // they are connected
        const store = (from: number, to: number) =>
          Promise.all(
            messages.slice(from, to).map((message, i) => there.storeResult(message, from + i, TTL)),
          );
        await happen({ server, proxy, store });
        assertEquals(await Promise.all(results), messages.map((_, i) => i));
      },
    );
  }
}
