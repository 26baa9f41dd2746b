import { RedisBroker, RedisRateLimiterBackend, RedisResultBackend } from "@dq/dramatiq";
import type { RedisBrokerOptions } from "../../../brokers/redis/options.ts";
import type { RedisAddress } from "../../../clients/redis/address.ts";
import type { Clients, ClusterFault } from "./engine.ts";

/** Options of trials on Redis. */
export type TrialOptions = Pick<RedisBrokerOptions, "waitReplicas">;

/** Why Redis may lose what it confirmed, unless clients wait for replicas: they do for messages. */
const LAST_WORDS = "a master confirms before its replicas have heard";

/** Notes what the servers may lose in a fault. */
export function withLosses(fault: ClusterFault, { waitReplicas }: TrialOptions): ClusterFault {
  const forgetting = { ...fault, mayForget: LAST_WORDS };
  return waitReplicas === undefined ? { ...forgetting, mayLose: LAST_WORDS } : forgetting;
}

/** Milliseconds after which others take over what a worker had. */
const HEARTBEAT_TIMEOUT = 5_000;

/**
 * Opens what a trial on Redis uses.
 *
 * @param address Gives where the servers are.
 * @param namespace What all keys begin with.
 * @param options More options of the brokers.
 */
export function openRedisClients(
  address: RedisAddress,
  namespace: string,
  options: TrialOptions = {},
): Clients {
  const brokerOptions = {
    ...address,
    namespace,
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    ...options,
  };
  const sender = new RedisBroker(brokerOptions);
  const worker = new RedisBroker(brokerOptions);
  const results = new RedisResultBackend({
    ...address,
    namespace: `${namespace}-results`,
    useNamespacePrefixKeys: true, // a cluster needs it
  });
  const limits = new RedisRateLimiterBackend(address);
  const all = [sender, worker, results, limits];
  return {
    sender,
    worker,
    results,
    limits,
    limitKey: `${namespace}-slots`,
    close: async () => {
      await Promise.all(all.map((one) => one.close()));
    },
  };
}
