import { assertEquals, assertRejects } from "@std/assert";
import { BrokerConnectionError, RedisRateLimiterBackend } from "@dq/dramatiq";
import { COUNT_MANY, DECR, INCR } from "../../rate_limits/backends/redis_scripts.ts";
import { loseAnswer } from "../brokers/redis/lose_answer.ts";
import { Monitor, runsOf } from "../brokers/redis/monitor.ts";
import { Fixture, startForFile } from "../brokers/redis/fixture.ts";
import { startProxy } from "../support/servers/proxy.ts";

const { test, server } = await startForFile();

const TTL = 60_000;
const newKey = () => crypto.randomUUID();

/** A backend that is connected. */
async function open(fixture: Fixture, url = server.url): Promise<RedisRateLimiterBackend> {
  const backend = fixture.use(new RedisRateLimiterBackend({ url }));
  await backend.add(newKey(), 1, TTL);
  return backend;
}

test("RedisRateLimiterBackend counts at once, and in one call what else is counted in the turn", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const backend = await open(fixture);
  const [one, other, none] = [newKey(), newKey(), newKey()];
  const counted = await Promise.all([
    ...Array.from({ length: 5 }, () => backend.incr(one, 1, 3, TTL)),
    backend.decr(one, 2, 0, TTL),
    backend.decr(one, 2, 0, TTL),
    backend.incr(other, 7, 10, TTL),
    backend.decr(none, 1, 0, TTL),
  ]);
  // In the order of the calls.
  assertEquals(counted.slice(0, 5), [true, true, true, false, false]);
  assertEquals(counted.slice(5), [true, false, true, undefined]);
  assertEquals(await server.command("MGET", one, other, none), ["1", "7", null]);
  const commands = await monitor.take();
  assertEquals([INCR, DECR, COUNT_MANY].map((script) => runsOf(script, commands).length), [
    1,
    0,
    1,
  ]);
  // A single operation is sent as its own script.
  assertEquals([await backend.incr(one, 1, 3, TTL), await backend.decr(one, 1, 0, TTL)], [
    true,
    true,
  ]);
  const later = await monitor.take();
  assertEquals([INCR, DECR, COUNT_MANY].map((script) => runsOf(script, later).length), [1, 1, 0]);
});

test("RedisRateLimiterBackend counts more at once than fits in one call", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const backend = await open(fixture);
  const key = newKey();
  const counted = Array.from({ length: 600 }, () => backend.incr(key, 1, 500, TTL));
  assertEquals((await Promise.all(counted)).filter((isCounted) => isCounted).length, 500);
  assertEquals(runsOf(COUNT_MANY, await monitor.take()).length, 3);
});

test("RedisRateLimiterBackend fails a count that Redis refuses, and none beside it", async () => {
  await using fixture = new Fixture(server);
  const backend = await open(fixture);
  const [first, list, last] = [newKey(), newKey(), newKey()];
  await server.command("RPUSH", list, "no counter");
  const counted = await Promise.allSettled([
    backend.incr(first, 1, 1, TTL),
    backend.incr(list, 1, 1, TTL),
    backend.incr(last, 1, 1, TTL),
    backend.incr(last, 1, 1, 0.5),
  ]);
  assertEquals(counted.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
  ]);
  const { reason } = counted[1] as PromiseRejectedResult;
  assertEquals(/Cannot count up.*WRONGTYPE/.test(reason.message), true, reason.message);
  assertEquals(await server.command("MGET", first, last), ["1", "1"]);
});

test("RedisRateLimiterBackend counts nothing twice whose answer was cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const backend = await open(fixture, `redis://${proxy.host}:${proxy.port}`);
  const keys = [newKey(), newKey(), newKey()];
  let counting: Promise<unknown>[] = [];
  await loseAnswer(
    server,
    proxy,
    () => {
      counting = keys.map((key) => backend.incr(key, 1, 10, TTL));
      for (const one of counting) one.catch(() => {});
    },
    async () => await server.command("EXISTS", keys.at(-1)!) === 1,
  );
  for (const one of counting) await assertRejects(() => one, BrokerConnectionError);
  assertEquals(await backend.incr(keys[0]!, 1, 10, TTL), true);
  assertEquals(await server.command("MGET", ...keys), ["2", "1", "1"]);
});
