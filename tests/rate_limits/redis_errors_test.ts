import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Barrier,
  ConcurrentRateLimiter,
  ConnectionClosed,
  ConnectionFailed,
  RateLimiterBackend,
  RedisRateLimiterBackend,
  WindowRateLimiter,
} from "@dq/dramatiq";
import { Cluster, Redis } from "ioredis";
import { eventually, startForFile, untilTracking } from "../brokers/redis/fixture.ts";
import { testOwn } from "../servers/own.ts";
import { withLog } from "../support/log.ts";
import { freePort } from "../support/servers/free_port.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRedisCluster } from "../support/servers/redis_cluster.ts";

const { test, server } = await startForFile({ appendonly: true });

const TTL = 60_000;
const newKey = () => `test-${crypto.randomUUID()}`;
const open = () => new RedisRateLimiterBackend({ url: server.url });

/** Number of clients the server has, besides the one that asks. */
async function countClients(): Promise<number> {
  return String(await server.command("CLIENT", "LIST")).trim().split("\n").length - 1;
}

test("RedisBackend says that nothing was counted if the server was never reached", async () => {
  await using backend = new RedisRateLimiterBackend({ url: `${server.url}/99` });
  const limiter = new ConcurrentRateLimiter(backend, newKey());
  const error = await assertRejects(() => limiter.acquire(), ConnectionFailed, "out of range");
  assertEquals(error.delivery, "none");
});

test("RedisBackend has three connections, however many wait at however many barriers", async () => {
  await eventually("be alone", async () => await countClients() === 0);
  await using backend = open();
  const barriers = Array.from({ length: 40 }, () => new Barrier(backend, newKey()));
  await Promise.all(barriers.map((barrier) => barrier.create(26)));
  assertEquals(await countClients(), 1);
  const waiting = barriers.flatMap((barrier) => Array.from({ length: 25 }, () => barrier.wait()));
  await untilTracking(server);
  assertEquals(await countClients(), 3);
  await Promise.all(barriers.map((barrier) => barrier.wait()));
  assertEquals(new Set(await Promise.all(waiting)), new Set([true]));
  assertEquals(await countClients(), 3);
});

test("Barrier wakes those who wait as Python does, and is woken as by Python", async () => {
  await using backend = open();
  const python = new Redis(server.url);
  try {
    const ours = new Barrier(backend, newKey());
    await ours.create(2);
    await python.decr(ours.key);
    const list = `${ours.key}@events`;
    const blocked = python.brpoplpush(list, list, 10);
    await eventually("block", async () => {
      return / cmd=brpoplpush /.test(String(await server.command("CLIENT", "LIST")));
    });
    assertEquals(await ours.wait(), true);
    assertEquals(await blocked, "x");

    const theirs = new Barrier(backend, newKey());
    await theirs.create(2);
    const waiting = theirs.wait();
    await untilTracking(server);
    await server.command("RPUSH", `${theirs.key}@events`, "x");
    assertEquals(await waiting, true);
  } finally {
    python.disconnect();
  }
});

test("Barrier looks once a second where the user may not be told of changes", async () => {
  const name = `user-${crypto.randomUUID()}`;
  await server.command("ACL", "SETUSER", name, "on", ">secret", "~*", "+@all", "-client");
  const url = new URL(server.url);
  url.username = name;
  url.password = "secret";
  await using backend = new RedisRateLimiterBackend({ url });
  const barrier = new Barrier(backend, newKey());
  await barrier.create(2);
  const waiting = barrier.wait();
  await using other = open();
  assertEquals(await new Barrier(other, barrier.key).wait(), true);
  assertEquals(await waiting, true);
});

test("Barrier ends each wait for a reason of its own, aborted or late", async () => {
  await using backend = open();
  const barrier = new Barrier(backend, newKey());
  await barrier.create(9);
  const aborter = new AbortController();
  const waiting = Promise.allSettled([
    barrier.wait({ signal: aborter.signal }),
    barrier.wait({ signal: aborter.signal }),
    barrier.wait({ timeout: 5 }),
  ]);
  await untilTracking(server);
  aborter.abort(new Error("enough"));
  const outcomes = await waiting;
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "rejected", "fulfilled"]);
});

test("Barrier.wait ends with its signal also while the server is away", async () => {
  await using backend = new RedisRateLimiterBackend({
    url: `redis://127.0.0.1:${await freePort()}`,
  });
  const aborter = new AbortController();
  const reason = new Error("enough");
  const waiting = assertRejects(
    () => new Barrier(backend, newKey()).wait({ signal: aborter.signal }),
    Error,
  );
  aborter.abort(reason);
  assertEquals(await waiting, reason);
});

test("RedisBackend waits for a server that is away for a moment", async () => {
  await using backend = open();
  const key = newKey();
  assertEquals(await backend.incr(key, 1, 3, TTL), true);
  await withLog({ category: ["dramatiq", "redis"] }, async (lines) => {
    await server.kill();
    await eventually("find it gone", () => Promise.resolve(lines.length > 0));
  });
  const counting = [backend.incr(key, 1, 3, TTL), backend.incr(key, 1, 3, TTL)];
  await server.restart();
  assertEquals(await Promise.all(counting), [true, true]);
  assertEquals(await backend.incr(key, 1, 3, TTL), false);
});

test("RedisBackend does not count twice when the answer is lost", async () => {
  await using proxy = await startProxy(server);
  await using backend = new RedisRateLimiterBackend({ url: `redis://${proxy.host}:${proxy.port}` });
  const key = newKey();
  await backend.add(key, 1, TTL);
  await backend.incr(key, 1, 9, TTL);
  const before = proxy.bytesToTarget;
  await server.pause();
  const counting = assertRejects(() => backend.incr(key, 1, 9, TTL), ConnectionClosed, "count up");
  await eventually("ask", () => Promise.resolve(proxy.bytesToTarget > before));
  proxy.freeze();
  server.continue();
  await eventually("count", async () => await server.command("GET", key) === "3");
  await proxy.cut();
  proxy.thaw();
  await counting;
  assertEquals(await backend.incr(key, 1, 9, TTL), true);
  assertEquals(await server.command("GET", key), "4");
});

test("a slot that cannot be released is logged, and what was done stays done", async () => {
  const backend = open();
  const mutex = new ConcurrentRateLimiter(backend, newKey());
  const done = await mutex.run(async () => {
    await backend.close();
    return "done";
  });
  assertEquals(done, "done");
  assertEquals(await server.command("GET", mutex.key), "1");
});

test("RedisBackend names what is wrong with a key that is no counter", async () => {
  await using backend = open();
  const [text, list] = [newKey(), newKey()];
  await server.command("SET", text, "hello");
  await server.command("RPUSH", list, "hello");
  for (const key of [text, list]) {
    await assertRejects(
      () => backend.incr(key, 1, 9, TTL),
      Error,
      "Cannot count up: Redis answers",
    );
    await assertRejects(() => backend.decr(key, 1, 0, TTL), Error, "Cannot count down: Redis");
  }
  const barrier = newKey();
  await server.command("SET", `${barrier}@events`, "hello");
  await assertRejects(() => backend.wait(barrier, TTL), Error, "WRONGTYPE");
});

testOwn("redis-server")("limiters, barriers and groups work on a Redis Cluster", async () => {
  await using cluster = await startRedisCluster();
  const client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
  client.on("error", () => {});
  await using backend = new RedisRateLimiterBackend({ client });
  assert(backend instanceof RateLimiterBackend);
  try {
    for (let i = 0; i < 10; i++) {
      const mutex = new ConcurrentRateLimiter(backend, newKey());
      assertEquals(await mutex.run(() => i), i);
      const window = new WindowRateLimiter(backend, `{${newKey()}}`, { limit: 2, window: 9 });
      await window.acquire();
      const leased = new ConcurrentRateLimiter(backend, newKey(), { leases: true });
      assertEquals(await leased.run(() => i), i);
      await new WindowRateLimiter(backend, newKey(), { sliding: true }).acquire();
      const barrier = new Barrier(backend, newKey());
      await barrier.create(2);
      assertEquals(await Promise.all([barrier.wait(), barrier.wait()]), [true, true]);
      const group = crypto.randomUUID();
      await backend.add(group, 1, TTL);
      assertEquals(await backend.countMember(group, "a", TTL), "complete");
      await backend.concludeGroup(group, TTL);
      assertEquals(await backend.countMember(group, "a", TTL), "concluded");
    }
    const scattered = new WindowRateLimiter(backend, newKey(), { window: 9 });
    await assertRejects(() => scattered.acquire(), Error, "CROSSSLOT");
  } finally {
    client.disconnect();
  }
});
