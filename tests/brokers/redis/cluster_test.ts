import { assertEquals, assertLess } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { Cluster } from "ioredis";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { testOwn } from "../../servers/own.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { type RedisCluster, startRedisCluster } from "../../support/servers/redis_cluster.ts";
import { after, test as realTest } from "../../support/test.ts";
import { outcomeOf } from "../outages/outage.ts";
import { sendFromPython } from "./python.ts";
import { beat, eventually, Fixture } from "./fixture.ts";

const test = testOwn("redis-server");
const cluster = test === realTest
  ? await startRedisCluster()
  : undefined as unknown as RedisCluster;
after(() => cluster?.stop());

const MINUTE = 60_000;
const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** A fixture on the node that has all keys of a namespace, and a client of the cluster. */
interface ClusterFixture extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly node: RedisServer;
  readonly client: Cluster;
}

/** @param lazyConnect Whether the client is not to connect by itself. */
async function openFixture(lazyConnect = false): Promise<ClusterFixture> {
  const namespace = `{${crypto.randomUUID()}}`;
  const node = await cluster.nodeOf(namespace);
  const fixture = new Fixture(node, namespace);
  const addresses = cluster.nodes.map(({ host, port }) => ({ host, port }));
  const client = new Cluster(addresses, { lazyConnect });
  client.on("error", () => {});
  return {
    fixture,
    node,
    client,
    async [Symbol.asyncDispose](): Promise<void> {
      await fixture[Symbol.asyncDispose]();
      client.disconnect();
    },
  };
}

function declareNote(broker: RedisBroker, ran: unknown[]) {
  const run = (value: unknown) => void ran.push(value);
  return actor(run, { broker, queueName: "q", actorName: "note" });
}

test("RedisBroker on a cluster sends, delays, works, counts and flushes", async () => {
  await using opened = await openFixture();
  const { fixture, client } = opened;
  const broker = fixture.open({ client });
  const ran: unknown[] = [];
  const note = declareNote(broker, ran);
  await note.sendMany(numbers(1_500).map((n) => [n]));
  await note.sendWithOptions({ args: ["late"], delay: 1 });
  await broker.enqueue(work("q", "far"), { delay: MINUTE });
  const counts = { ready: 1_500, delayed: 2, unacknowledged: 0, dead: 0 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  await using worker = new Worker(broker);
  await worker.start();
  await eventually("run all", () => Promise.resolve(ran.length === 1_501));
  assertEquals(ran.filter((value) => value !== "late").toSorted(), numbers(1_500).toSorted());
  await worker.stop();
  await broker.flush("q");
  await broker.close();
  assertEquals(await fixture.keys(), []);
  assertEquals(await client.ping(), "PONG");
});

test("RedisBroker on a cluster is woken by Python producers", async () => {
  await using opened = await openFixture();
  const { fixture, client } = opened;
  const broker = fixture.open({ client, ...NO_HEARTBEAT });
  const receiving = broker.consume("q").receive(1);
  await broker.getQueueMessageCounts("q");
  await sendFromPython(fixture, "q", ["text"]);
  assertEquals(firstArgs(await receiving), ["text"]);
});

test("RedisBroker on a cluster takes over from the dead, of queues that it does not know, too", async () => {
  await using opened = await openFixture();
  const { fixture, client } = opened;
  const clock = new FakeClock();
  const dead = fixture.open({ client, clock, ...NO_HEARTBEAT });
  const queues = numbers(20).map((n) => `q${n}`);
  for (const queueName of queues) {
    await dead.enqueue(work(queueName, "text"));
    await receiveCount(dead.consume(queueName), 1);
  }
  await clock.advance(MINUTE);
  await fixture.open({ client, clock, ...NO_HEARTBEAT }).maintain();
  for (const queueName of queues) assertEquals(await fixture.firstArgs(queueName), ["text"]);
  assertEquals(await fixture.heartbeat(dead.brokerId), undefined);
});

test("RedisBroker on a cluster copies a client that never connects, and one that is closed", async () => {
  await using opened = await openFixture(true);
  const { fixture, client } = opened;
  for (const close of [false, true]) {
    if (close) client.disconnect();
    const status = client.status;
    const broker = fixture.open({ client, ...NO_HEARTBEAT });
    const receiving = broker.consume("q").receive(1);
    await broker.getQueueMessageCounts("q");
    await sendFromPython(fixture, "q", ["text"]);
    assertEquals(firstArgs(await receiving), ["text"]);
    await broker.flush("q");
    await broker.close();
    assertEquals(client.status, status);
  }
});

test("RedisBroker on a cluster goes on when its keys move to another node", async () => {
  await using opened = await openFixture();
  const { fixture, node, client } = opened;
  const clock = new FakeClock();
  const broker = fixture.open({ client, clock });
  await broker.enqueueMany(numbers(3).map((n) => work("q", n)));
  await using consumer = broker.consume("q", { prefetch: 10 });
  const messages = await receiveCount(consumer, 3);
  let receiving = consumer.receive(1);
  await beat(broker, clock);

  const target = cluster.nodes.find((one) => one !== node)!;
  await cluster.moveSlot(fixture.namespace, node, target);
  const there = new Fixture(target, fixture.namespace);
  await consumer.ack(messages.slice(0, 1));
  assertEquals(await there.held(broker.brokerId, "q"), 2);
  await broker.enqueue(work("q", "after"));
  // The old node tells nothing of a key that was not there when the others moved.
  await beat(broker, clock);
  assertEquals(firstArgs(await receiving), ["after"]);

  // It finds the node that can wake it, and does not connect again and again.
  receiving = consumer.receive(1);
  await eventually("be told by the other node", async () => {
    await beat(broker, clock);
    return (await trackers(target)) > 0;
  });
  const before = await connectionsSoFar();
  for (let second = 0; second < 20; second++) await beat(broker, clock);
  assertLess(await connectionsSoFar() - before, 20);
  await sendFromPython(there, "q", ["wakes"]);
  assertEquals(firstArgs(await receiving), ["wakes"]);
  await consumer.close();
  await broker.close();
  await cluster.moveSlot(there.namespace, target, node);
});

/** Number of connections of a node are told of changes. */
async function trackers(node: RedisServer): Promise<number> {
  const list = String(await node.command("CLIENT", "LIST"));
  return list.match(/ flags=\w*t\w* /g)?.length ?? 0;
}

/** Number of connections all nodes have had. */
async function connectionsSoFar(): Promise<number> {
  const counts = await Promise.all(cluster.nodes.map(async (node) => {
    const info = String(await node.command("INFO", "stats"));
    return Number(/total_connections_received:(\d+)/.exec(info)![1]);
  }));
  return counts.reduce((sum, count) => sum + count, 0);
}

test("RedisBroker on a cluster goes on when its node was away", async () => {
  await using opened = await openFixture();
  const { fixture, node, client } = opened;
  const broker = fixture.open({ client });
  const ran: unknown[] = [];
  const note = declareNote(broker, ran);
  await using worker = new Worker(broker);
  await worker.start();
  await note.send("before");
  await eventually("run it", () => Promise.resolve(ran.includes("before")));
  await node.kill();
  const sending = outcomeOf(note.send("while it is away"));
  await node.restart();
  await cluster.untilOk();
  await sending; // does not hang
  await eventually("send", async () => await outcomeOf(note.send("after")) === undefined);
  await eventually("run it", () => Promise.resolve(ran.includes("after")));
  await worker.stop();
});
