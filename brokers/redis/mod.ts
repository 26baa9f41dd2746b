/**
 * A broker on Redis, whose queues Python's dramatiq shares.
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
