import { assert, assertEquals } from "@std/assert";
import { Cluster, Redis } from "ioredis";
import { RedisResultBackend, type ResultBackendOptions } from "@dq/dramatiq";
import { resultBackendConformance } from "../conformance/result_backend.ts";
import { testOwn } from "../servers/own.ts";
import type { RedisServer } from "../support/servers/redis.ts";
import { startRedisCluster } from "../support/servers/redis_cluster.ts";
import { startRedisSentinel } from "../support/servers/redis_sentinel.ts";
import { until } from "../support/servers/until.ts";
import { after, test as realTest } from "../support/test.ts";
import { runIdleProgram } from "./idle_program.ts";

const test = testOwn("redis-server");
const isOwn = test === realTest;
const cluster = isOwn ? await startRedisCluster() : undefined;
const sentinel = isOwn ? await startRedisSentinel({ sentinels: 3 }) : undefined;
after(async () => {
  await cluster?.stop();
  await sentinel?.stop();
});

/** Makes a backend on the cluster. */
function openOnCluster({ namespace, ...options }: ResultBackendOptions): RedisResultBackend {
  const addresses = cluster!.nodes.map(({ host, port }) => ({ host, port }));
  const client = new Cluster(addresses, { lazyConnect: true });
  return new RedisResultBackend({
    client,
    namespace: `{${namespace}}`,
    ...options,
    useNamespacePrefixKeys: true,
  });
}

const newMessage = () => {
  return { queueName: "default", actorName: "add", messageId: crypto.randomUUID() };
};
const forLong = { block: true, timeout: 300_000 };

/** True if a connection of a server uses client tracking. */
async function isTracking(server: RedisServer): Promise<boolean> {
  return / flags=[^ ]*t/.test(String(await server.command("CLIENT", "LIST")));
}

if (cluster !== undefined) {
  resultBackendConformance({
    name: "RedisResultBackend on a cluster",
    create: openOnCluster,
    skips: {
      namespaces: "a cluster needs braces around the namespace, and keys that are not hashed",
      undecodable: "it is tested on one server",
      outage: "it is tested on one server",
    },
  });
}

test("RedisResultBackend on a cluster is told of changes, also when its keys move to another node", async () => {
  const namespace = crypto.randomUUID();
  await using backend = openOnCluster({ namespace });
  const source = await cluster!.nodeOf(`{${namespace}}`);
  const target = cluster!.nodes.find((node) => node !== source)!;
  const messages = Array.from({ length: 3 }, newMessage);
  const results = messages.map((message) => backend.getResult(message, forLong));
  const keys = messages.map((message) => backend.buildMessageKey(message));

  await until(() => isTracking(source), { what: "see tracking begin" });
  await source.command("LPUSH", keys[0]!, "0");
  assertEquals(await results[0], 0);

  await cluster!.moveSlot(`{${namespace}}`, source, target);
  await target.command("LPUSH", keys[1]!, "1"); // it looks where its keys are by now
  assertEquals(await results[1], 1);

  await until(() => isTracking(target), { what: "see tracking begin at the other node" });
  await target.command("LPUSH", keys[2]!, "2");
  assertEquals(await results[2], 2);
  await cluster!.moveSlot(`{${namespace}}`, target, source);
});

test("idle backends on a cluster or behind Sentinel do not keep a program running", async () => {
  const nodes = cluster!.nodes.map(({ host, port }) => ({ host, port }));
  const unavailable = { host: "127.0.0.1", port: 1 };
  const sentinels = [...sentinel!.addresses, unavailable];
  const addresses = [{ nodes }, { connection: { sentinels, name: sentinel!.name } }];
  const expected = ["3", "closed"];
  assertEquals(await Promise.all(addresses.map(runIdleProgram)), [expected, expected]);
});

test("RedisResultBackend behind Sentinel goes on waiting at the new master", async () => {
  const system = sentinel!;
  const master = await system.master();
  await using backend = new RedisResultBackend({
    connection: { sentinels: [...system.addresses], name: system.name },
  });
  const messages = Array.from({ length: 10 }, newMessage);
  const results = messages.map((message) => backend.getResult(message, forLong));
  await until(() => isTracking(master), { what: "see tracking begin" });

  const newMaster = await system.failOver();

  assert(newMaster !== master);
  await until(() => isTracking(newMaster), { what: "see tracking begin at the new master" });
  const redis = new Redis(newMaster.url);
  for (const [i, message] of messages.entries()) {
    await redis.lpush(backend.buildMessageKey(message), `${i}`);
  }
  redis.disconnect();
  assertEquals(await Promise.all(results), [...messages.keys()]);
});
