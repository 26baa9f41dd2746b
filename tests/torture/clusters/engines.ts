import type { Engine } from "./engine.ts";
import { MEMCACHED_SERVERS } from "./memcached_servers.ts";
import { RABBITMQ_CLASSIC, RABBITMQ_QUORUM } from "./rabbitmq_nodes.ts";
import { REDIS_CLUSTER, REDIS_CLUSTER_WAITING } from "./redis_cluster.ts";
import { REDIS_SENTINEL, REDIS_SENTINEL_WAITING } from "./redis_sentinel.ts";

/** All engines, in the order of the table. */
export const ENGINES: readonly Engine[] = [
  REDIS_SENTINEL,
  REDIS_SENTINEL_WAITING,
  REDIS_CLUSTER,
  REDIS_CLUSTER_WAITING,
  MEMCACHED_SERVERS,
  RABBITMQ_QUORUM,
  RABBITMQ_CLASSIC,
];
