/**
 * A program that waits for a result, passes a limiter and a barrier, and closes its broker alone.
 *
 * @module
 */
import process from "node:process";
import { Cluster } from "ioredis";
import {
  actor,
  Barrier,
  ConcurrentRateLimiter,
  MemcachedRateLimiterBackend,
  MemcachedResultBackend,
  RedisRateLimiterBackend,
  RedisResultBackend,
  Results,
  setBroker,
  StubBroker,
  Worker,
} from "@dq/dramatiq";

const { memcached: servers, nodes, ...address } = JSON.parse(process.argv[2]!) as {
  readonly url?: string;
  readonly connection?: { readonly sentinels: readonly object[]; readonly name: string };
  readonly nodes?: { readonly host: string; readonly port: number }[];
  readonly memcached?: string;
};
const redis = nodes === undefined ? address : { client: new Cluster(nodes, { lazyConnect: true }) };
const backend = servers === undefined
  ? new RedisResultBackend({ ...redis, namespace: "{idle}", useNamespacePrefixKeys: true })
  : new MemcachedResultBackend({ servers });
const limits = servers === undefined
  ? new RedisRateLimiterBackend(redis)
  : new MemcachedRateLimiterBackend({ servers });
const broker = new StubBroker();
broker.addMiddleware(new Results({ backend }));
setBroker(broker);
const add = actor(function add(a: number, b: number) {
  return a + b;
}, { storeResults: true });

const message = await add.send(1, 2);
// Nothing has run it: the backend begins to listen for its result.
await message.getResult({ block: true, timeout: 300 }).catch(() => {});
const worker = new Worker(broker);
await worker.start();
console.log(await message.getResult({ block: true, timeout: 10_000 }));
const key = crypto.randomUUID();
await new ConcurrentRateLimiter(limits, key, { leases: true }).run(() => {});
const barrier = new Barrier(limits, `${key}-barrier`, { ttl: 10_000 });
await barrier.create(2);
await barrier.wait({ timeout: 300 });
await worker.stop();
await broker.close();
console.log("closed");
