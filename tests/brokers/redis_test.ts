import { Buffer } from "node:buffer";
import { Redis } from "ioredis";
import { type Broker, decodeFromQueue, RedisBroker } from "@dq/dramatiq";
import { brokerConformance } from "../conformance/broker.ts";
import { startProxy } from "../support/servers/proxy.ts";
import { startRedis } from "../support/servers/redis.ts";
import { eventually } from "../support/servers/until.ts";
import { after } from "../support/test.ts";
import { Monitor } from "./redis/monitor.ts";

const server = await startRedis();
const redis = new Redis(server.url);
after(async () => {
  redis.disconnect();
  await server.stop();
});

/** Milliseconds: short, so that every rule is checked beside the broker's maintenance. */
const MAINTENANCE_INTERVAL = 100;
/** Lost messages are given back at the second look. */
const LOOKS = 5;
/** Command with which this file reads heartbeats; the broker never uses it. */
const HEARTBEAT_LOOK = "zscore";

const AT_THE_END = "it puts messages back at the end of the queue, as Python does";

const named = (broker: Broker, name: string) => `${(broker as RedisBroker).namespace}:${name}`;

brokerConformance({
  name: "RedisBroker",
  undeclaredQueues: "accepted",
  create: ({ middleware, namespace }) =>
    new RedisBroker({
      url: server.url,
      namespace,
      maintenanceInterval: MAINTENANCE_INTERVAL,
      ...(middleware && { middleware }),
    }),

  async deadLetters(broker, queueName) {
    const ids = await redis.zrange(named(broker, `${queueName}.XQ`), "0", "-1");
    if (ids.length === 0) return [];
    const texts = await redis.hmgetBuffer(named(broker, `${queueName}.XQ.msgs`), ...ids);
    return texts.map((text) => decodeFromQueue(queueName, text!));
  },

  async putRaw(broker, queueName, data) {
    const id = crypto.randomUUID();
    const text = typeof data === "string" ? data : Buffer.from(data);
    await redis.multi().hset(named(broker, `${queueName}.msgs`), id, text)
      .rpush(named(broker, queueName), id).exec();
  },

  async countMessages(broker, queueName) {
    const { namespace } = broker as RedisBroker;
    let texts = 0;
    let ids = await redis.zcard(named(broker, `${queueName}.DQ.etas`));
    for (const name of [queueName, `${queueName}.DQ`]) {
      texts += await redis.hlen(named(broker, `${name}.msgs`));
      ids += await redis.llen(named(broker, name));
    }
    for (const key of await redis.keys(`${namespace}:__acks__.*`)) ids += await redis.scard(key);
    return Math.max(texts, ids); // each message has one text, and its id stands in one place
  },

  async breakConnections() {
    await redis.call("client", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await redis.call("client", "KILL", "TYPE", "pubsub");
  },

  untilMaintained,

  async countIdleCalls(broker) {
    await using monitor = await Monitor.open(server);
    await untilMaintained(broker);
    const own = named(broker, "");
    const commands = await monitor.take();
    return commands.filter(([name, ...args]) =>
      name !== HEARTBEAT_LOOK && args.some((arg) => arg.startsWith(own))
    ).length;
  },

  async openProxied(namespace) {
    const proxy = await startProxy(server);
    const { pathname } = new URL(server.url);
    const url = `redis://${proxy.host}:${proxy.port}${pathname}`;
    return { broker: new RedisBroker({ url, namespace }), proxy };
  },

  async cleanUp(namespace) {
    const keys = await redis.keys(`${namespace}:*`);
    if (keys.length > 0) await redis.del(...keys);
  },

  skips: {
    closeGivesBack: AT_THE_END,
    requeueToFront: AT_THE_END,
    nackKeepsOrder: "dead letters of one millisecond go by their ids, as in Python",
  },
});

/** Waits for heartbeats: each comes with a look at all queues. */
async function untilMaintained(broker: Broker): Promise<void> {
  const seen = new Set<string | null>();
  await eventually("renew its heartbeat", async () => {
    const { brokerId } = broker as RedisBroker;
    seen.add(await redis.zscore(named(broker, "__heartbeats__"), brokerId));
    return seen.size > LOOKS;
  });
}
