import { Cluster } from "ioredis";
import { AbortEvents, RedisBroker, RedisControlStore } from "@dq/dramatiq";
import { assertEquals, assertThrows } from "@std/assert";
import { brokerClaimsConformance } from "../conformance/broker_claims.ts";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { controlStoreConformance } from "../conformance/control_store.ts";
import { testLong } from "../servers/own.ts";
import { startRedisCluster } from "../support/servers/redis_cluster.ts";
import { after, test as realTest } from "../support/test.ts";

const test = testLong("redis-server");
const cluster = test === realTest ? await startRedisCluster() : undefined;

if (cluster !== undefined) {
  const addresses = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const client = new Cluster(addresses, { lazyConnect: true });
  client.on("error", () => {});
  after(async () => {
    client.disconnect();
    await cluster.stop();
  });

  controlStoreConformance({
    name: "RedisControlStore on a cluster",
    open: (namespace, clock) =>
      new RedisControlStore({ client, namespace: `{${namespace}}`, clock }),
    skips: {
      survivesOutages: "tests/control/redis_test.ts has it; the way to the nodes is the same",
      survivesFlushes: "nobody flushes all nodes at once",
    },
  });

  brokerControlConformance({
    name: "RedisBroker on a cluster",
    open: (namespace, middleware) =>
      new RedisBroker({ client, namespace: `{${namespace}}`, middleware }),
  });

  brokerClaimsConformance({
    name: "RedisBroker on a cluster",
    open: (namespace, middleware) =>
      new RedisBroker({ client, namespace: `{${namespace}}`, middleware }),
  });

  test("AbortEvents refuses a cluster", async () => {
    await using broker = new RedisBroker({ client, namespace: "{a}" });
    assertThrows(
      () => new AbortEvents(broker, { client, prefix: "{a}:" }),
      TypeError,
      "on a cluster",
    );
    assertEquals(broker.namespace, "{a}");
  });
}
