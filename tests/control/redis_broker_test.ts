import { assert, assertEquals } from "@std/assert";
import { Redis } from "ioredis";
import { actor, RedisBroker } from "@dq/dramatiq";
import { brokerClaimsConformance } from "../conformance/broker_claims.ts";
import { brokerControlConformance } from "../conformance/broker_control.ts";
import { claimsModel } from "../conformance/claims_model.ts";
import { receiveCount, receiveOne, work } from "../conformance/broker_messages.ts";
import { brokerSuspectsConformance, type SuspectsHarness } from "../conformance/broker_suspects.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";

const server = await startRedis();
const redis = new Redis(server.url);
after(async () => {
  redis.disconnect();
  await server.stop();
});

brokerControlConformance({
  name: "RedisBroker",
  open: (namespace, middleware) => new RedisBroker({ url: server.url, namespace, middleware }),
});

brokerClaimsConformance({
  name: "RedisBroker",
  open: (namespace, middleware) => new RedisBroker({ url: server.url, namespace, middleware }),
});

const suspectsHarness: SuspectsHarness = {
  name: "RedisBroker",
  open: (namespace) => new RedisBroker({ url: server.url, namespace }),
  async die(broker, other) {
    const { namespace, brokerId } = broker as RedisBroker;
    // Again while it is heard of in between: it is not really dead.
    do {
      await redis.zadd(`${namespace}:__heartbeats__`, 1, brokerId);
      await (other as RedisBroker).maintain();
    } while ((await redis.keys(`${namespace}:__acks__.${brokerId}.*`)).length > 0);
  },
  async countLeft(broker, queueName) {
    const { namespace } = broker as RedisBroker;
    const texts = await redis.hlen(`${namespace}:${queueName}.msgs`);
    return texts + await redis.hlen(`${namespace}:${queueName}.DQ.suspects`);
  },
};
brokerSuspectsConformance(suspectsHarness);
claimsModel(suspectsHarness, 40);

test("RedisBroker has the claim of a unique message follow its retries, whoever else changes it", async () => {
  const namespace = `claims_${crypto.randomUUID()}`;
  await using broker = new RedisBroker({ url: server.url, namespace });
  const once = actor((_key: string) => {}, { broker, actorName: "once", unique: true });
  const { controlStore } = broker;
  const claim = async () => (await controlStore.read("claim/once/")).entries[0]!;
  await once.send("a");
  await using consumer = broker.consume("default", { prefetch: 1 });
  for (let retry = 0; retry < 4; retry++) {
    const delivery = await receiveOne(consumer);
    const change = controlStore.change.bind(controlStore);
    controlStore.change = async (changes) => {
      controlStore.change = change;
      const { key, value } = await claim();
      await change([{ key, value }]); // its version is another one now
      return await change(changes);
    };
    const retried = await broker.enqueue(delivery.message, { cause: delivery.message });
    await broker.emit("afterAck", delivery); // as if it had been delivered again
    const { stays } = (await claim()).value as { stays: string[] };
    assertEquals(stays.at(-1), retried.option("redisMessageId"));
    assert(stays.length <= 3, `${stays.length} stays`);
    delivery.markRetried();
    await consumer.ack(delivery);
  }
  assertEquals((await once.send("a")).isDuplicate, true);
  await broker.flush("default");
  assertEquals((await once.send("a")).isDuplicate, false);
});

test("RedisBroker removes the record of a dead worker's message once Python has acknowledged it", async () => {
  const namespace = `suspects_${crypto.randomUUID()}`;
  await using dead = new RedisBroker({ url: server.url, namespace });
  await using broker = new RedisBroker({ url: server.url, namespace });
  for (const one of [dead, broker]) one.declareQueue("q");
  const suspects = `${namespace}:q.DQ.suspects`;
  const ids: string[] = [];
  for (const n of [0, 1]) {
    const sent = await broker.enqueue(work("q", n));
    ids.push(String(sent.option("redisMessageId")));
  }
  const consumer = dead.consume("q", { prefetch: 2 });
  await receiveCount(consumer, 2);
  await suspectsHarness.die(dead, broker);
  assertEquals((await redis.hkeys(suspects)).toSorted(), ids.toSorted());
  await redis.lrem(`${namespace}:q`, 1, ids[0]!);
  await redis.hdel(`${namespace}:q.msgs`, ids[0]!);
  await broker.maintain();
  assertEquals(await redis.hkeys(suspects), [ids[1]]);
  await broker.flush("q");
  assertEquals(await redis.exists(suspects), 0);
  await consumer.close();
});
