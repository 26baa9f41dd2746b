import { REDIS_CLUSTER } from "./redis_cluster.ts";
import { REDIS_SENTINEL_WAITING } from "./redis_sentinel.ts";
import { testShortTrials } from "./short.ts";

// One of each kind of server, one of which waits for replicas; the long form tries all four.
testShortTrials("Redis on several servers", [REDIS_SENTINEL_WAITING, REDIS_CLUSTER]);
