import { REDIS_CLUSTER } from "./redis_cluster.ts";
import { REDIS_SENTINEL } from "./redis_sentinel.ts";
import { testShortTrials } from "./short.ts";

testShortTrials("Redis on several servers", [REDIS_SENTINEL, REDIS_CLUSTER]);
