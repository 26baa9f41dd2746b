import { assert, assertEquals } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { Cluster } from "ioredis";
import { work } from "../../conformance/broker_messages.ts";
import { startProxy, type TcpProxy } from "../../support/servers/proxy.ts";
import type { ProxyFault } from "../../support/servers/proxy_fault.ts";
import { startRedisCluster } from "../../support/servers/redis_cluster.ts";
import { startRedisSentinel } from "../../support/servers/redis_sentinel.ts";
import { outcomeOf } from "../outages/outage.ts";
import { eventually, Fixture, startForFile, untilTracking } from "./fixture.ts";

const { test, server } = await startForFile();

const urlOf = ({ host, port }: TcpProxy) => `redis://${host}:${port}`;

/** Connections that are accepted, and do not come further than this. */
const STEPS: Record<string, ProxyFault> = {
  "is accepted and silent": { kind: "silent", answers: 0 },
  "is silent from its second answer on": { kind: "silent", answers: 1 },
  "is silent from its third answer on": { kind: "silent", answers: 2 },
  "is cut in the middle of an answer": { kind: "cut" },
  "trickles": { kind: "trickle" },
};

for (const [what, fault] of Object.entries(STEPS)) {
  test(`RedisBroker goes on when its first connection ${what}, and later ones are well`, async () => {
    await using fixture = new Fixture(server);
    await using proxy = await startProxy(server);
    const broker = fixture.open({ url: urlOf(proxy) });
    proxy.begin(fault);
    const sending = outcomeOf(broker.enqueue(work("q", "first")));
    await eventually("suffer from it", () => {
      return proxy.silentConnections > 0 || proxy.totalConnections > 1;
    });
    proxy.heal();
    await sending; // It may have been given up by then.
    await broker.enqueue(work("q", "second"));
    assert((await fixture.firstArgs("q")).includes("second"));
  });
}

test("RedisBroker tries again and again while each connection is silent", async () => {
  await using fixture = new Fixture(server);
  await using proxy = await startProxy(server);
  const broker = fixture.open({ url: urlOf(proxy) });
  proxy.begin({ kind: "silent", answers: 0 });
  const failure = await outcomeOf(broker.enqueue(work("q", 1)));
  assert(failure!.message.includes("did not answer within"), failure!.message);
  await eventually("connect again", () => proxy.totalConnections >= 2);
  proxy.heal();
  await eventually("send", async () => await outcomeOf(broker.enqueue(work("q", 2))) === undefined);
});

test("An idle worker whose connections and their follow-ups fall silent works again", async () => {
  await using fixture = new Fixture(server);
  await using proxy = await startProxy(server);
  const broker: RedisBroker = fixture.open({ url: urlOf(proxy) });
  const { promise: ran, resolve } = Promise.withResolvers<void>();
  actor(resolve, { broker, queueName: "q", actorName: "note" });
  await using worker = new Worker(broker);
  await worker.start();
  await untilTracking(server);
  const before = proxy.totalConnections;
  proxy.begin({ kind: "silent", answers: 0 });
  const begun = performance.now();
  await eventually("try to connect again", () => proxy.totalConnections >= before + 2);
  // Health checks count from the last answer, not from when the connection was given up.
  assert(broker.silentFor >= performance.now() - begun - 1_000, `${broker.silentFor}`);
  proxy.heal();
  const producer = fixture.open();
  await actor(() => {}, { broker: producer, queueName: "q", actorName: "note" }).send();
  await ran;
  await eventually("answer", () => broker.silentFor < 3_000);
  await worker.stop();
});

test("RedisBroker asks the next Sentinel when one is silent", async () => {
  await using system = await startRedisSentinel({ sentinels: 1 });
  await using fixture = new Fixture(await system.master());
  const [sentinel] = system.addresses;
  await using silent = await startProxy(sentinel!);
  silent.begin({ kind: "silent", answers: 0 });
  const sentinels = [{ host: silent.host, port: silent.port }, sentinel];
  const broker = fixture.open({ connection: { sentinels, name: system.name } });
  await broker.enqueue(work("q", 1));
  assert(silent.totalConnections > 0);
});

test("RedisBroker asks again when all Sentinels were silent", async () => {
  await using system = await startRedisSentinel({ sentinels: 1 });
  await using fixture = new Fixture(await system.master());
  await using silent = await startProxy(system.addresses[0]!);
  silent.begin({ kind: "silent", answers: 0 });
  const sentinels = [{ host: silent.host, port: silent.port }];
  const broker = fixture.open({ connection: { sentinels, name: system.name } });
  assert(await outcomeOf(broker.enqueue(work("q", 1))) !== undefined);
  silent.heal();
  await eventually("send", async () => await outcomeOf(broker.enqueue(work("q", 2))) === undefined);
});

test("RedisBroker asks the next node of a cluster when one is silent", async () => {
  await using cluster = await startRedisCluster();
  await using silent = await startProxy(cluster.nodes[0]!);
  const [, node] = cluster.nodes;
  const nodes = [{ host: silent.host, port: silent.port }, { host: node!.host, port: node!.port }];
  const client = new Cluster(nodes, { lazyConnect: true });
  await using fixture = new Fixture(node!, `{test-${crypto.randomUUID()}}`);
  silent.begin({ kind: "silent", answers: 0 });
  const broker = fixture.open({ client });
  await eventually("send", async () => await outcomeOf(broker.enqueue(work("q", 1))) === undefined);
  assertEquals(await broker.getQueueMessageCounts("q").then(({ ready }) => ready), 1);
  await broker.close();
});
