import { REDIS_CLUSTER, REDIS_CLUSTER_WAITING } from "./redis_cluster.ts";
import { REDIS_SENTINEL, REDIS_SENTINEL_WAITING } from "./redis_sentinel.ts";
import { testShortTrials } from "./short.ts";

testShortTrials("Redis on several servers", [
  REDIS_SENTINEL,
  REDIS_SENTINEL_WAITING,
  REDIS_CLUSTER,
  REDIS_CLUSTER_WAITING,
]);
