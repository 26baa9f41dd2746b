import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertLess } from "@std/assert";
import {
  ConcurrentRateLimiter,
  type ConnectionFailed,
  RedisRateLimiterBackend,
} from "@dq/dramatiq";
import { Cluster } from "ioredis";
import { work } from "../../conformance/broker_messages.ts";
import { testLong } from "../../servers/own.ts";
import { textOf, withLog } from "../../support/log.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { type RedisCluster, startRedisCluster } from "../../support/servers/redis_cluster.ts";
import { after, test as realTest } from "../../support/test.ts";
import { assertOneOutage, outcomeOf } from "../outages/outage.ts";
import { eventually, Fixture } from "./fixture.ts";

const test = testLong("redis-server");
const cluster = test === realTest
  ? await startRedisCluster({ replicas: 1 })
  : undefined as unknown as RedisCluster;
after(() => cluster?.stop());

const LOG = { category: ["dramatiq", "redis"] };
/** Milliseconds in which a send fails: the docs say five seconds, and the machine may be busy. */
const LONGEST_SEND = 8_500;

/** Fixture of a test: keys that lie on one node, and a client. */
interface ClusterFixture extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly node: RedisServer;
  readonly client: Cluster;
  readonly limits: RedisRateLimiterBackend;
}

async function openFixture(home: RedisCluster = cluster): Promise<ClusterFixture> {
  const namespace = `{${crypto.randomUUID()}}`;
  const node = await home.masterOf(namespace);
  const fixture = new Fixture(node, namespace);
  const client = new Cluster(home.nodes.map(({ host, port }) => ({ host, port })), {
    lazyConnect: true,
  });
  const limits = fixture.use(new RedisRateLimiterBackend({ client }));
  return {
    fixture,
    node,
    client,
    limits,
    [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
  };
}

/**
 * Makes a node say for a while that the cluster is down: it has a slot, of another key, that
 * nobody serves.
 *
 * @returns Ends it.
 */
async function takeDown(node: RedisServer, key: string): Promise<() => Promise<void>> {
  const slot = await node.command("CLUSTER", "KEYSLOT", key) as number;
  const third = Math.floor(16_384 / cluster.nodes.length);
  const other = slot % third === 0 ? slot + 1 : slot - 1; // on the same node
  await node.command("CLUSTER", "DELSLOTS", other);
  await eventually("be down", async () => {
    return String(await node.command("CLUSTER", "INFO")).includes("cluster_state:fail");
  });
  return async () => {
    await node.command("CLUSTER", "ADDSLOTS", other);
    await cluster.untilOk();
  };
}

test("RedisBackend's verbs wait while a cluster says CLUSTERDOWN, and it is logged at each end", async () => {
  await using opened = await openFixture();
  const { fixture, node, limits } = opened;
  const limiter = new ConcurrentRateLimiter(limits, `${fixture.namespace}-limit`, { limit: 2 });
  await (await limiter.acquire()).release();
  await withLog(LOG, async (lines, first) => {
    const bringBack = await takeDown(node, fixture.namespace);
    const acquiring = limiter.acquire();
    await first;
    await bringBack();
    assertEquals((await acquiring).acquired, true);
    assertEquals(await node.command("GET", limiter.key), "1");
    assertOneOutage(lines, "Redis");
    assert(textOf(lines[0]!).includes("CLUSTERDOWN"), textOf(lines[0]!));
  });
});

test("RedisBackend's verbs wait while nodes send them to and fro (MOVED)", async () => {
  await using opened = await openFixture();
  const { fixture, node, limits } = opened;
  const other = cluster.nodes.find((one) => one !== node)!;
  const limiter = new ConcurrentRateLimiter(limits, `${fixture.namespace}-limit`, { limit: 2 });
  const slot = await node.command("CLUSTER", "KEYSLOT", limiter.key) as number;
  const [own, foreign] = await Promise.all([node, other].map((one) => {
    return one.command("CLUSTER", "MYID");
  }));
  await withLog(LOG, async (_lines, first) => {
    await node.command("CLUSTER", "SETSLOT", slot, "NODE", String(foreign));
    const acquiring = limiter.acquire();
    await first;
    await node.command("CLUSTER", "SETSLOT", slot, "NODE", String(own));
    assertEquals((await acquiring).acquired, true);
    assertEquals(await node.command("GET", limiter.key), "1");
  });
  await cluster.untilOk();
});

test("RedisBroker on a cluster that stays down fails with what the node says, and of no delivery", async () => {
  await using opened = await openFixture();
  const { fixture, node, client } = opened;
  const broker = fixture.open({ client });
  await broker.enqueue(work("q", "before"));
  const bringBack = await takeDown(node, fixture.namespace);
  const failure = await outcomeOf(broker.enqueue(work("q", "text")));
  await bringBack();
  assert(
    failure!.message.startsWith("Cannot enqueue: Redis answers: CLUSTERDOWN"),
    failure!.message,
  );
  assertEquals((failure as ConnectionFailed).delivery, "none");
});

test("RedisBackend does not count twice when one node of a cluster hangs while it counts", async () => {
  await using opened = await openFixture();
  const { fixture, node, limits } = opened;
  const limiter = new ConcurrentRateLimiter(limits, `${fixture.namespace}-limit`, { limit: 9 });
  await (await limiter.acquire()).release();
  const elsewhere = await limiterElsewhere(limits, node);
  await node.pause();
  // Other nodes are well, so that the client stays connected.
  let isOver = false;
  const others = (async () => {
    while (!isOver) await (await elsewhere.acquire()).release();
  })();
  const failure = await outcomeOf(limiter.acquire());
  node.continue();
  isOver = true;
  await others;
  assertEquals((failure as ConnectionFailed | undefined)?.delivery, "unknown");
  await cluster.untilOk();
  const count = Number(await node.command("GET", limiter.key));
  assert(count <= 1, `it has counted ${count} times`);
});

/** A limiter whose key lies on another node. */
async function limiterElsewhere(
  limits: RedisRateLimiterBackend,
  node: RedisServer,
): Promise<ConcurrentRateLimiter> {
  for (;;) {
    const key = `{${crypto.randomUUID()}}`;
    if (await cluster.masterOf(key) !== node) return new ConcurrentRateLimiter(limits, key);
  }
}

test("RedisBroker on a cluster whose nodes all hang fails in time, and logs one outage", async () => {
  await using opened = await openFixture();
  const { fixture, client } = opened;
  const broker = fixture.open({ client });
  await broker.enqueue(work("q", "before"));
  await withLog(LOG, async (lines) => {
    await Promise.all(cluster.servers.map((one) => one.pause()));
    const start = performance.now();
    // Eight calls are under way at the same time; others are not to wait for the end of those first.
    const sends: Promise<Error | undefined>[] = [];
    for (let n = 0; n < 20; n++) {
      sends.push(outcomeOf(broker.enqueue(work("q", n))));
      await delay(1); // else they would travel together
    }
    const failures = await Promise.all(sends);
    const duration = performance.now() - start;
    for (const one of cluster.servers) one.continue();
    assert(!failures.includes(undefined), "a send was confirmed");
    assertEquals((failures[0] as ConnectionFailed).delivery, "unknown");
    assertEquals((failures.at(-1) as ConnectionFailed).delivery, "none");
    assertLess(duration, LONGEST_SEND);
    await cluster.untilOk();
    await eventually(
      "send",
      async () => await outcomeOf(broker.enqueue(work("q", 1))) === undefined,
    );
    assertOneOutage(lines, "Redis");
  });
});

test("RedisBroker waitReplicas on a cluster asks the node that has the queue", async () => {
  await using opened = await openFixture();
  const { fixture, node, client } = opened;
  const broker = fixture.open({ client, waitReplicas: { count: 1 } });
  await broker.enqueue(work("q", "text"));
  const copies = await Promise.all(cluster.replicas.map(async (replica) => {
    const [, , masterPort] = await replica.command("ROLE") as unknown[];
    if (Number(masterPort) !== node.port) return 0;
    const list = String(await replica.command("INFO", "keyspace"));
    return Number(/keys=(\d+)/.exec(list)?.[1] ?? 0);
  }));
  assert(Math.max(...copies) > 0, "its replica has nothing");

  const strict = fixture.open({ client, waitReplicas: { count: 9, timeout: 100 } });
  const failure = await strict.enqueue(work("q", 2)).then(() => undefined, (error) => error);
  assertEquals(failure.message, "Cannot enqueue: 1 of 9 replicas have it after 100 ms");
});

test("RedisBroker waitReplicas on a cluster finds a new master when the old one was restarted", async () => {
  // Of its own: that of the other tests has gone through much, and may settle for minutes.
  await using home = await startRedisCluster({ replicas: 1 });
  await using opened = await openFixture(home);
  const { fixture, node, client } = opened;
  const broker = fixture.open({ client, waitReplicas: { count: 1 } });
  await broker.enqueue(work("q", "before"));
  const newMaster = await home.failOver(node, fixture.namespace);
  // The client has no connection to where it thinks that the queue is.
  await node.kill();
  await node.restart();
  await home.untilOk();
  await eventually("send to the new master", async () => {
    return await outcomeOfAny(broker.enqueue(work("q", "after"))) === undefined;
  });
  const args = await new Fixture(newMaster, fixture.namespace).firstArgs("q");
  assertEquals(new Set(args), new Set(["before", "after"]));
});

async function outcomeOfAny(sending: Promise<unknown>): Promise<unknown> {
  return await sending.then(() => undefined, (error) => error);
}
