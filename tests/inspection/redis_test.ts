import { Buffer } from "node:buffer";
import { assertEquals, assertRejects } from "@std/assert";
import { Message, RedisBroker } from "@dq/dramatiq";
import { inspectorConformance } from "../conformance/inspector.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";

const server = await startRedis();
after(() => server.stop());

/** Milliseconds: short, so that reports come soon. */
const MAINTENANCE_INTERVAL = 100;

inspectorConformance({
  name: "RedisInspector",
  shares: true,
  open: (namespace, middleware) =>
    new RedisBroker({
      url: server.url,
      namespace,
      middleware,
      maintenanceInterval: MAINTENANCE_INTERVAL,
    }),
  async putRaw(broker, queueName, data) {
    const id = crypto.randomUUID();
    const { namespace } = broker as RedisBroker;
    const text = typeof data === "string" ? data : Buffer.from(data);
    await server.command("HSET", `${namespace}:${queueName}.msgs`, id, text as string);
    await server.command("RPUSH", `${namespace}:${queueName}`, id);
  },
});

test("RedisInspector renews no heartbeat, and leaves no key", async () => {
  const namespace = `inspect-${crypto.randomUUID()}`;
  await using broker = new RedisBroker({ url: server.url, namespace });
  broker.declareQueue("q");
  await using inspector = broker.inspect();
  const queueName = "q";
  await inspector.overview({ discover: true });
  for (const state of ["ready", "delayed", "dead"] as const) {
    await inspector.list({ queueName, state });
    await inspector.get({ queueName, state, key: "1" });
    await inspector.purge(queueName, state);
    await inspector.change([{ queueName, state, key: "1" }], "drop");
  }
  await inspector.find("1");
  assertEquals(await inspector.workers(), []);
  await inspector.history(2);
  assertEquals(await server.command("KEYS", `${namespace}:*`), []);
});

test("RedisInspector finds queues by their keys alone, as Python leaves them", async () => {
  const namespace = `inspect-${crypto.randomUUID()}`;
  const text = String(new Message({ queueName: "old", actorName: "a", args: [] }).encode());
  await server.command("HSET", `${namespace}:old.msgs`, "1", text);
  await server.command("RPUSH", `${namespace}:old`, "1");
  await using broker = new RedisBroker({ url: server.url, namespace });
  await using inspector = broker.inspect();
  assertEquals((await inspector.overview()).queues, []);
  const { queues } = await inspector.overview({ discover: true });
  assertEquals(queues.map(({ queueName, ready }) => [queueName, ready]), [["old", 1]]);
});

test("RedisInspector leaves out what is no queue, but is written to where queues are listed", async () => {
  const namespace = `inspect-${crypto.randomUUID()}`;
  const hostile = "q\x1b[2J\u009b\u202e";
  await server.command("SADD", `${namespace}:__queues__`, hostile, "", "a b", "q");
  await server.command("HSET", `${namespace}:a b.msgs`, "1", "{}");
  await using broker = new RedisBroker({ url: server.url, namespace });
  await using inspector = broker.inspect();
  const { queues } = await inspector.overview({ discover: true });
  assertEquals(queues.map(({ queueName }) => queueName), ["q"]);
});

test("RedisInspector lists a worker in Python while its heartbeat is recent", async () => {
  const namespace = `inspect-${crypto.randomUUID()}`;
  await using broker = new RedisBroker({ url: server.url, namespace });
  await using inspector = broker.inspect();
  const key = `${namespace}:__heartbeats__`;
  await server.command("ZADD", key, Date.now(), "young", Date.now() - 30_000, "old");
  const workers = await inspector.workers();
  assertEquals(workers.map(({ id, hasReport }) => [id, hasReport]), [["young", false]]);
  await server.command("DEL", key);
});

test("RedisInspector drops ready messages that have moved far from where they were listed", async () => {
  const namespace = `inspect-${crypto.randomUUID()}`;
  const ids = Array.from({ length: 3_000 }, (_, i) => `id-${i}`);
  await server.command("HSET", `${namespace}:q.msgs`, ...ids.flatMap((id) => [id, "{}"]));
  await server.command("RPUSH", `${namespace}:q`, ...ids);
  await using broker = new RedisBroker({ url: server.url, namespace });
  await using inspector = broker.inspect();
  const ref = (n: number, position: number) =>
    ({ queueName: "q", state: "ready", key: `id-${n}`, position }) as const;
  const outcomes = await inspector.change(
    [ref(10, 2_900), ref(1_500, 1_700), ref(2_999, 2_999), ref(9_999, 5)],
    "drop",
  );
  assertEquals(outcomes.map(({ outcome }) => outcome), ["done", "done", "done", "gone"]);
  assertEquals(await server.command("LLEN", `${namespace}:q`), 2_997);
  assertEquals(await server.command("HLEN", `${namespace}:q.msgs`), 2_997);
});

test("RedisInspector explains failed changes", async () => {
  const namespace = `inspect-${crypto.randomUUID()}`;
  await using broker = new RedisBroker({ url: server.url, namespace });
  await using inspector = broker.inspect();
  await server.command("SET", `${namespace}:__queues__`, "another type");
  await assertRejects(() => inspector.overview(), Error, "Cannot list queues: ");
  await server.command("SET", `${namespace}:q.msgs`, "another type");
  const ref = { queueName: "q", state: "ready", key: "1" } as const;
  await assertRejects(() => inspector.get(ref), Error, "Cannot read a message: ");
});
