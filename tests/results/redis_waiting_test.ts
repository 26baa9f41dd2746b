import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Cluster, Redis } from "ioredis";
import { ConnectionFailed, RedisResultBackend, ResultError, ResultTimeout } from "@dq/dramatiq";

import type { RedisBackendOptions as RedisResultBackendOptions } from "@dq/dramatiq/results";
import { addUser, USERS_WITHOUT_TRACKING } from "../brokers/redis/users.ts";
import { testOwn } from "../servers/own.ts";
import { freePort } from "../support/servers/free_port.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { type RedisServer, startOwnRedis } from "../support/servers/redis.ts";
import { eventually, until } from "../support/servers/until.ts";
import { after, test as realTest } from "../support/test.ts";

const test = testOwn("redis-server");
const server = test === realTest ? await startOwnRedis() : undefined as unknown as RedisServer;
const redis = new Redis(server?.url, { lazyConnect: true });
after(async () => {
  redis.disconnect();
  await server?.stop();
});

const newMessage = () => {
  return { queueName: "default", actorName: "add", messageId: crypto.randomUUID() };
};
type Owner = ReturnType<typeof newMessage>;

/** Waits for longer than any test. */
const forLong = { block: true, timeout: 300_000 };

const open = (options: RedisResultBackendOptions = { url: server.url }) =>
  new RedisResultBackend(options);

/** Stores a result as Python does, without a notification of our clients. */
async function storeFromPython(backend: RedisResultBackend, owner: Owner, value: unknown) {
  const key = backend.buildMessageKey(owner);
  await redis.multi().del(key).lpush(key, JSON.stringify(value)).pexpire(key, 60_000).exec();
}

/** The connections of clients, without that of this test. */
async function connections(): Promise<string[]> {
  const lines = String(await redis.client("LIST")).trim().split("\n");
  const own = `id=${await redis.client("ID")} `;
  return lines.filter((line) => !line.startsWith(own));
}

/** Waits until a backend receives notifications. */
async function untilTracking(): Promise<void> {
  await until(async () => (await connections()).some((line) => / flags=[^ ]*t/.test(line)), {
    what: "see tracking begin",
  });
}

/** Waits until Redis has answered all that was asked so far, and has nothing to say. */
async function settled(backend: RedisResultBackend): Promise<void> {
  for (let time = 0; time < 2; time++) await backend.getResult(newMessage()).catch(() => {});
}

test("RedisResultBackend has ten thousand waiters on two connections, told of Python's results", async () => {
  await using backend = open();
  const messages = Array.from({ length: 10_000 }, newMessage);
  const results = messages.map((message) => backend.getResult(message, forLong));
  await untilTracking();
  await settled(backend);
  assertEquals((await connections()).length, 2);
  for (let i = 0; i < messages.length; i += 500) {
    const batch = messages.slice(i, i + 500);
    await Promise.all(batch.map((message, j) => storeFromPython(backend, message, i + j)));
  }
  assertEquals(await Promise.all(results), [...messages.keys()]);
  assertEquals((await connections()).length, 2);
});

test("RedisResultBackend asks nothing while it waits and nothing changes", async () => {
  await using backend = open();
  const results = Array.from({ length: 100 }, () => backend.getResult(newMessage(), forLong));
  const ended = Promise.allSettled(results);
  await untilTracking();
  const count = async (...names: string[]) => {
    const text = String(await redis.info("commandstats"));
    const calls = (name: string) => Number(text.match(`cmdstat_${name}:calls=(\\d+)`)?.[1] ?? 0);
    return names.reduce((sum, name) => sum + calls(name), 0);
  };
  // When tracking has begun, each key is read once more. Polling would read in every interval.
  await eventually("see an interval between pings without any read", async () => {
    const [pings, reads] = [await count("ping"), await count("evalsha", "eval", "lindex")];
    await eventually("see two rounds of pings", async () => await count("ping") >= pings + 4);
    return await count("evalsha", "eval", "lindex") === reads;
  });
  await backend.close();
  await ended;
});

test("RedisResultBackend wakes Python's readers, and is woken by what they put back", async () => {
  await using backend = open();
  const message = newMessage();
  const key = backend.buildMessageKey(message);
  const python = redis.duplicate();
  const popped = python.brpoplpush(key, key, 30);
  const result = backend.getResult(message, forLong);
  await untilTracking();
  await backend.storeResult(message, [1], 60_000);
  assertEquals([await popped, await result], ["[1]", [1]]);
  python.disconnect();
});

test("RedisResultBackend goes on waiting when all keys are dropped", async () => {
  await using backend = open();
  const message = newMessage();
  const result = backend.getResult(message, forLong);
  await untilTracking();
  await redis.flushall();
  await storeFromPython(backend, message, "later");
  assertEquals(await result, "later");
});

for (const type of ["pubsub", "normal"]) {
  test(`RedisResultBackend goes on when its ${type} connection is killed under waiters`, async () => {
    await using backend = open();
    const messages = Array.from({ length: 50 }, newMessage);
    const results = messages.map((message) => backend.getResult(message, forLong));
    await untilTracking();
    for (const half of [messages.slice(0, 25), messages.slice(25)]) {
      await redis.call("client", "KILL", "TYPE", type, "SKIPME", "yes");
      // While it is not told; it looks for itself when it is again.
      for (const message of half) await storeFromPython(backend, message, message.messageId);
      await Promise.all(results.slice(0, 25));
    }
    assertEquals(await Promise.all(results), messages.map(({ messageId }) => messageId));
  });
}

test("RedisResultBackend notices connections that are half-open under waiters", async () => {
  await using proxy = await startProxy(server);
  await using backend = open({ url: `redis://127.0.0.1:${proxy.port}` });
  const message = newMessage();
  const result = backend.getResult(message, forLong);
  await untilTracking();
  await settled(backend);
  proxy.freeze();
  await storeFromPython(backend, message, "unheard of");
  const cut = proxy.nextConnection();
  await cut; // it has given up a connection that does not answer
  proxy.thaw();
  assertEquals(await result, "unheard of");
});

test("RedisResultBackend survives an outage, and says of it when the time is over", async () => {
  await using own = await startOwnRedis();
  await using backend = open({ url: own.url });
  const [brief, long] = [newMessage(), newMessage()];
  const result = backend.getResult(long, forLong);
  await settled(backend);
  await own.kill();
  const timeout = { block: true, timeout: 1_500 };
  const error = await assertRejects(() => backend.getResult(brief, timeout), ResultTimeout);
  assert(error.message.includes("Redis is unavailable"), error.message);
  assert(error.cause instanceof Error);
  await own.restart();
  await backend.storeResult(long, "after all", 60_000);
  assertEquals(await result, "after all");
});

test("RedisResultBackend fails at once where Redis refuses", async () => {
  await using own = await startOwnRedis({ password: "secret" });
  await using backend = open({ url: `redis://:wrong@127.0.0.1:${own.port}` });
  for (const options of [{}, forLong]) {
    await assertRejects(
      () => backend.getResult(newMessage(), options),
      ConnectionFailed,
      "WRONGPASS",
    );
  }
  await assertRejects(() => backend.storeResult(newMessage(), 1, 1_000), ConnectionFailed);
});

test("RedisResultBackend gives up a server that is not there after some seconds", async () => {
  await using backend = open({ url: `redis://127.0.0.1:${await freePort()}` });
  const controller = new AbortController();
  const aborted = backend.getResult(newMessage(), { signal: controller.signal });
  const late = assertRejects(() => backend.getResult(newMessage()), ConnectionFailed);
  controller.abort(new Error("enough"));
  await assertRejects(() => aborted, Error, "enough");
  assert((await late).message.includes("ECONNREFUSED"));
});

for (const [what, rule] of USERS_WITHOUT_TRACKING) {
  test(`RedisResultBackend looks for results where the user may not use ${what}`, async () => {
    await using backend = open({ url: await addUser(server, rule) });
    const messages = Array.from({ length: 5 }, newMessage);
    const results = messages.map((message) => backend.getResult(message, forLong));
    await settled(backend);
    for (const [i, message] of messages.entries()) {
      await storeFromPython(backend, message, i);
      assertEquals(await results[i], i);
    }
  });
}

test("RedisResultBackend reads other keys beside one that is no result", async () => {
  await using backend = open();
  const [bad, good] = [newMessage(), newMessage()];
  await redis.set(backend.buildMessageKey(bad), "text");
  await backend.storeResult(good, 1, 60_000);
  for (const options of [{}, forLong]) {
    const [first, second] = await Promise.allSettled(
      [bad, good].map((message) => backend.getResult(message, options)),
    );
    assert(first!.status === "rejected" && first!.reason instanceof ResultError);
    assert(first!.reason.message.includes("WRONGTYPE"), first!.reason.message);
    assertEquals(second, { status: "fulfilled", value: 1 });
  }
});

test("RedisResultBackend stores what is under way when it is closed", async () => {
  const backend = open();
  const messages = Array.from({ length: 100 }, newMessage);
  const stores = messages.map((message, i) => backend.storeResult(message, i, 60_000));
  await backend.close();
  await Promise.all(stores);
  await using other = open();
  assertEquals(
    await Promise.all(messages.map((message) => other.getResult(message))),
    [...messages.keys()],
  );
});

test("RedisResultBackend takes an address as a broker does, and on a cluster plain keys only", async () => {
  const client = new Redis(server.url, { lazyConnect: true });
  await using backend = open({ client });
  await backend.storeResult(newMessage(), 1, 1_000);
  client.disconnect();
  assertThrows(() => open({ url: "http://x" }), TypeError, "Cannot connect");
  assertThrows(() => open({ namespace: 1 as unknown as string }), TypeError, "namespace");
  const cluster = new Cluster([{ host: "127.0.0.1", port: 1 }], { lazyConnect: true });
  assertThrows(() => open({ client: cluster }), TypeError, "write it as");
  const namespace = "{results}";
  assertThrows(() => open({ client: cluster, namespace }), TypeError, "useNamespacePrefixKeys");
  await open({ client: cluster, namespace, useNamespacePrefixKeys: true }).close();
});
