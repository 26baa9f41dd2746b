import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import { actor, Control, RedisBroker, RedisControlStore, Worker } from "@dq/dramatiq";
import { Mirror } from "../conformance/control_store_harness.ts";
import { controlStoreConformance } from "../conformance/control_store.ts";
import { eventually, startForFile, untilTracking } from "../brokers/redis/fixture.ts";
import { Monitor } from "../brokers/redis/monitor.ts";
import { addUser, USERS_WITHOUT_TRACKING } from "../brokers/redis/users.ts";
import { startProxy } from "../support/servers/proxy.ts";

const { test, server } = await startForFile({ appendonly: true });

const newNamespace = () => `control-${crypto.randomUUID()}`;

if (server !== undefined) {
  controlStoreConformance({
    name: "RedisControlStore",
    open: (namespace, clock) => new RedisControlStore({ url: server.url, namespace, clock }),
    openProxied: async (namespace) => {
      const proxy = await startProxy(server);
      const url = `redis://${proxy.host}:${proxy.port}`;
      // By its own clock, whose timers fire; the others go by theirs, which the entries do not need.
      return { proxy, store: new RedisControlStore({ url, namespace }) };
    },
    flush: async () => void await server.command("FLUSHALL"),
  });
}

test("RedisControlStore keeps only the keys of its version when all entries are removed", async () => {
  const namespace = newNamespace();
  await using store = new RedisControlStore({ url: server.url, namespace });
  await store.read("");
  const keys = async () => await server.command("KEYS", `${namespace}:*`);
  assertEquals(await keys(), []);
  await store.change([{ key: "worker/1", value: 1, ttl: 1_000 }]);
  await store.change([{ key: "worker/1", value: null }]);
  assertEquals(await keys(), []);
  await store.change([{ key: "a", value: 1 }]);
  await store.change([{ key: "a", value: null }]);
  const left = (await keys() as string[]).toSorted();
  assertEquals(left, [`${namespace}:__control__.log`, `${namespace}:__control__.version`]);
});

test("RedisControlStore reads past entries that another program has written", async () => {
  const namespace = newNamespace();
  await using store = new RedisControlStore({ url: server.url, namespace });
  await store.change([{ key: "a", value: 1 }]);
  const stored = ["", "garbage", "1 {", "1e999 {}", "x 5", " 5"];
  const fields = stored.flatMap((text, i) => [`bad/${i}`, text]);
  await server.command("HSET", `${namespace}:__control__`, ...fields);
  const { entries } = await store.read("");
  assertEquals(entries.map(({ key, value }) => [key, value]), [["a", 1]]);
  assertEquals((await store.read(["bad/1", "bad/2"])).entries, []);
  const changes = stored.map((_, i) => ({ key: `bad/${i}`, value: i }));
  assert((await store.change(changes)).applied);
  assertEquals((await store.read("bad/")).entries.map(({ value }) => value), [0, 1, 2, 3, 4, 5]);
});

test("RedisControlStore keeps claims apart from the entries that each worker reads", async () => {
  const namespace = newNamespace();
  await using store = new RedisControlStore({ url: server.url, namespace });
  await store.change([{ key: "claim/a/1", value: 1 }, { key: "worker/1", value: 1 }]);
  const countOf = (part: string) => server.command("HLEN", `${namespace}:__control__.${part}`);
  assertEquals([await countOf("claims"), await countOf("workers")], [1, 1]);
  await store.change([{ key: "claim/a/1", value: null }]);
  assertEquals([await countOf("claims"), await countOf("workers")], [0, 1]);
});

test("RedisControlStore gives no version twice, though the server was flushed", async () => {
  await using store = new RedisControlStore({ url: server.url, namespace: newNamespace() });
  const version = async () => {
    await store.change([{ key: "a", value: 1, ifVersion: 0 }]);
    return (await store.read(["a"])).entries[0]!.version;
  };
  const before = await version();
  await server.command("FLUSHALL");
  assert(await version() > before);
});

test("RedisControlStore survives a restart of the server, and reports later changes", async () => {
  const namespace = newNamespace();
  await using store = new RedisControlStore({ url: server.url, namespace });
  using mirror = new Mirror(store);
  await mirror.read();
  await store.change([{ key: "a", value: 1 }]);
  await mirror.becomes({ a: 1 });
  await server.restart();
  await using other = new RedisControlStore({ url: server.url, namespace });
  await other.change([{ key: "b", value: 1, ifVersion: 0 }]);
  await mirror.becomes({ a: 1, b: 1 });
});

test("Worker keeps a pause while Redis restarts, and is notified of its end afterwards", async () => {
  const namespace = newNamespace();
  await using broker = new RedisBroker({ url: server.url, namespace });
  let runs = 0;
  const note = actor(() => void (runs += 1), { broker, actorName: "note" });
  const control = new Control(broker);
  await control.pause({ queue: "default" });
  await using worker = new Worker(broker);
  await worker.start();
  await eventually("hear of the pause", () => worker.pausedQueues.length === 1);
  await server.restart();
  await note.send();
  await using other = new Worker(broker); // it reads the pause from what Redis has kept
  await other.start();
  await eventually("hear of the pause", () => other.pausedQueues.length === 1);
  assertEquals([runs, worker.pausedQueues], [0, ["default"]]);
  await control.resume({ queue: "default" });
  await broker.join("default");
  assertEquals(runs, 1);
});

test("RedisControlStore polls for changes where CLIENT TRACKING is not allowed", async () => {
  await Promise.all(USERS_WITHOUT_TRACKING.map(async ([_what, rule]) => {
    const namespace = newNamespace();
    const url = await addUser(server, rule);
    await using store = new RedisControlStore({ url, namespace });
    using mirror = new Mirror(store);
    await mirror.read();
    await using other = new RedisControlStore({ url: server.url, namespace });
    await other.change([{ key: "a", value: 1 }]);
    await mirror.becomes({ a: 1 });
  }));
});

test("RedisControlStore does not poll Redis while Redis notifies it of changes", async () => {
  const namespace = newNamespace();
  await using store = new RedisControlStore({ url: server.url, namespace });
  using mirror = new Mirror(store);
  await mirror.read();
  await untilTracking(server);
  await using other = new RedisControlStore({ url: server.url, namespace });
  const count = async () => {
    const stats = String(await server.command("INFO", "commandstats"));
    return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce(
      (sum, [, calls]) => sum + Number(calls),
      0,
    );
  };
  await other.change([{ key: "a", value: 1 }]);
  await mirror.becomes({ a: 1 });
  const before = await count();
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  assertEquals(await count() - before, 0);
  await other.change([{ key: "a", value: 2 }]);
  await mirror.becomes({ a: 2 });
  assertEquals(await count() - before, 2); // the change, and one look
});

test("A control store costs messages no command while nothing is controlled", async () => {
  const countControlCommands = async (messages: number) => {
    const namespace = newNamespace();
    await using monitor = await Monitor.open(server);
    await using broker = new RedisBroker({ url: server.url, namespace });
    const note = actor((_n: number) => {}, { broker, actorName: "note" });
    await using worker = new Worker(broker, { concurrency: 2 });
    await worker.start();
    await note.sendMany(Array.from({ length: messages }, (_, i) => [i]));
    await broker.join("default");
    await worker.stop();
    assertEquals(worker.outcomes.done, messages);
    const isOfControl = (part: string) => part.startsWith(`${namespace}:__control__`);
    return (await monitor.take()).filter((command) => command.some(isOfControl)).length;
  };
  // Reads at the start, the report of the worker, and the request to be told of changes.
  const [few, many] = [await countControlCommands(1), await countControlCommands(2_000)];
  assertLessOrEqual(few, 8);
  assertLessOrEqual(many, few + 2); // more if a busy machine lets a second pass
});

test("RedisBroker has a control store in its namespace, over its own connections", async () => {
  const namespace = newNamespace();
  await using broker = new RedisBroker({ url: server.url, namespace });
  assertEquals(broker.controlStore, broker.controlStore);
  await eventually("be alone", async () => await countClients() === 0);
  await broker.controlStore.change([{ key: "a", value: 1 }]);
  assertEquals(await countClients(), 1);
  await using store = new RedisControlStore({ url: server.url, namespace });
  const { entries } = await store.read("");
  assert(entries[0]!.version > 0);
  assertEquals(entries.map(({ key, value }) => [key, value]), [["a", 1]]);
});

test("RedisControlStore refuses invalid options", () => {
  const make = (options: object) => () => new RedisControlStore(options);
  assertThrows(make({ namespace: "" }), TypeError, 'Cannot use namespace ""');
  assertThrows(make({ url: "http://127.0.0.1" }), TypeError, "redis://host:6379/0");
  assertThrows(make({ prefix: "a" }), TypeError, "prefix");
});

/** Number of clients the server has, besides the one that asks. */
async function countClients(): Promise<number> {
  return String(await server.command("CLIENT", "LIST")).trim().split("\n").length - 1;
}
