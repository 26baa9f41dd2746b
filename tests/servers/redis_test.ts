import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { attachRedis, startOwnRedis } from "../support/servers/redis.ts";
import { sendCommands } from "../support/servers/resp.ts";
import { isAlive, testOwn } from "./own.ts";

const test = testOwn("redis-server");

test("RedisServer answers at its port, and is gone after its dispose", async () => {
  const redis = await startOwnRedis();
  const pid = redis.pid!;

  assertEquals(redis.url, `redis://127.0.0.1:${redis.port}`);
  assertEquals(await redis.command("ECHO", "größe\r\n"), "größe\r\n");
  assert(isAlive(pid));

  await redis[Symbol.asyncDispose]();
  assert(!isAlive(pid));
  assertEquals(redis.pid, undefined);
  await assertRejects(() => redis.command("PING"));
  await assertRejects(() => stat(redis.folder));
});

test("RedisServer command reads every kind of reply", async () => {
  await using redis = await startOwnRedis();

  assertEquals(await redis.command("SET", "key", 1), "OK");
  assertEquals(await redis.command("INCR", "key"), 2);
  assertEquals(await redis.command("GET", "other"), null);
  assertEquals(await redis.command("EVAL", "return {1, {'a', false}}", 0), [1, ["a", null]]);
  await assertRejects(() => redis.command("LPUSH", "key", 1), Error, "WRONGTYPE");
});

test("RedisServer restart keeps the port, and with appendonly what was written", async () => {
  await using redis = await startOwnRedis({ appendonly: true });
  const { pid, port } = redis;
  await redis.command("SET", "key", "value");

  await redis.kill();
  assert(!isAlive(pid!));
  await redis.restart();

  assertEquals(redis.port, port);
  assertNotEquals(redis.pid, pid);
  assertEquals(await redis.command("GET", "key"), "value");
});

test("RedisServer restart forgets everything without appendonly", async () => {
  await using redis = await startOwnRedis();
  await redis.command("SET", "key", "value");

  await redis.restart();

  assertEquals(await redis.command("DBSIZE"), 0);
});

test("RedisServer wants its password, which is in its URL", async () => {
  await using redis = await startOwnRedis({ password: "a b@c:d/" });

  assertEquals(new URL(redis.url).password, "a%20b%40c%3Ad%2F");
  assertEquals(await redis.command("PING"), "PONG");
  await assertRejects(() => sendCommands(redis, [["PING"]]), Error, "NOAUTH");
});

test("RedisServer answers nothing while it is paused", async () => {
  await using redis = await startOwnRedis();
  await using other = await startOwnRedis();
  await redis.pause();
  let isAnswered = false;
  const answer = redis.command("PING").finally(() => isAnswered = true);

  await other.command("PING");
  assert(!isAnswered);
  redis.continue();

  assertEquals(await answer, "PONG");
});

test("RedisServer can be stopped while it is paused", async () => {
  const redis = await startOwnRedis();
  const pid = redis.pid!;
  await redis.pause();

  await redis.stop();

  assert(!isAlive(pid));
});

test("startOwnRedis starts several at once", async () => {
  const servers = await Promise.all([startOwnRedis(), startOwnRedis()]);
  const [one, two] = servers;

  await one!.command("SET", "key", "value");
  assertEquals(await two!.command("DBSIZE"), 0);
  await Promise.all(servers.map((server) => server.stop()));
});

test("startOwnRedis keeps its files in dir, which stays", async () => {
  const dir = await mkdtemp(join(tmpdir(), "dramatiq-test-"));
  const redis = await startOwnRedis({ dir, appendonly: true });
  await redis.command("SET", "key", "value");
  await redis.stop();

  assert((await readdir(dir)).includes("appendonlydir"));
  await rm(dir, { recursive: true });
});

test("startOwnRedis rejects with what Redis said when it does not start", async () => {
  await assertRejects(
    () => startOwnRedis({ args: ["--no-such-option", "1"] }),
    Error,
    "Bad directive or wrong number of arguments",
  );
});

test("attachRedis gives a server that can be used, but neither killed nor stopped", async () => {
  await using redis = await startOwnRedis();
  const attached = attachRedis(redis.url);

  assertEquals([redis.isOwn, attached.isOwn], [true, false]);
  assertEquals(await attached.command("PING"), "PONG");
  const reason = `the server at 127.0.0.1:${redis.port}: it was not started here`;
  await assertRejects(() => attached.kill(), Error, `Cannot kill ${reason}`);
  await assertRejects(() => attached.restart(), Error, `Cannot restart ${reason}`);
  await assertRejects(() => attached.pause(), Error, `Cannot pause ${reason}`);
  await attached.stop();
  assertEquals(await redis.command("PING"), "PONG");
});
