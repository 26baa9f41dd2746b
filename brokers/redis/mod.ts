/**
 * A broker on Redis, whose queues Python's dramatiq shares.
 *
 * One server, Sentinel or Cluster. Delayed messages wait in Redis, and messages of a dead worker are
 * back on their queue a second after its heartbeat timeout.
 *
 * @example A server, and a prefix of all keys
 * ```ts
 * import { RedisBroker } from "@dq/dramatiq/brokers/redis";
 *
 * const broker = new RedisBroker({ url: "redis://127.0.0.1:6379", namespace: "shop" });
 * // connects when it is first used
 * ```
 *
 * @module
 */
export type { RedisClient, RedisConnectionOptions } from "../../clients/redis/client.ts";
export type { RedisBrokerOptions } from "./options.ts";
export type { RedisAddress } from "../../clients/redis/address.ts";
export type { WaitReplicas } from "../../clients/redis/replication.ts";
export type { RestoredDelayed } from "./delay_registry.ts";
export type { QueueMessageCounts } from "./queue_state.ts";
export { RedisBroker } from "./redis_broker.ts";
