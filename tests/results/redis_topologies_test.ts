import { assert, assertEquals } from "@std/assert";
import { Cluster, Redis } from "ioredis";
import { RedisResultBackend } from "@dq/dramatiq";
import { resultBackendConformance } from "../conformance/result_backend.ts";
import { testOwn } from "../servers/own.ts";
import { startRedisCluster } from "../support/servers/redis_cluster.ts";
import { startRedisSentinel } from "../support/servers/redis_sentinel.ts";
import { until } from "../support/servers/until.ts";
import { after, test as realTest } from "../support/test.ts";

const test = testOwn("redis-server");
const isOwn = test === realTest;
const cluster = isOwn ? await startRedisCluster() : undefined;
const sentinel = isOwn ? await startRedisSentinel({ sentinels: 3 }) : undefined;
after(async () => {
  await cluster?.stop();
  await sentinel?.stop();
});

if (cluster !== undefined) {
  const addresses = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const client = new Cluster(addresses, { lazyConnect: true });
  resultBackendConformance({
    name: "RedisResultBackend on a cluster",
    create: ({ namespace, ...options }) =>
      new RedisResultBackend({
        client,
        namespace: `{${namespace}}`,
        ...options,
        useNamespacePrefixKeys: true,
      }),
    skips: {
      namespaces: "a cluster needs braces around the namespace, and keys that are not hashed",
      undecodable: "it is tested on one server",
      outage: "it is tested on one server",
    },
  });
}

test("RedisResultBackend behind Sentinel goes on waiting at the new master", async () => {
  const system = sentinel!;
  const master = await system.master();
  await using backend = new RedisResultBackend({
    connection: { sentinels: [...system.addresses], name: system.name },
  });
  const messages = Array.from({ length: 10 }, () => {
    return { queueName: "default", actorName: "add", messageId: crypto.randomUUID() };
  });
  const results = messages.map((message) =>
    backend.getResult(message, { block: true, timeout: 300_000 })
  );
  const isTracking = async (server: typeof master) =>
    / flags=[^ ]*t/.test(String(await server.command("CLIENT", "LIST")));
  await until(() => isTracking(master), { what: "see tracking begin" });

  const newMaster = await system.failOver();

  assert(newMaster !== master);
  await until(() => isTracking(newMaster), { what: "see tracking begin at the new master" });
  const redis = new Redis(newMaster.url);
  for (const [i, message] of messages.entries()) {
    await redis.lpush(backend.buildKey(message), `${i}`);
  }
  redis.disconnect();
  assertEquals(await Promise.all(results), [...messages.keys()]);
});
