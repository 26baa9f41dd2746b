import type { Clock } from "../../platform/clock.ts";
import { RedisConnection } from "../../clients/redis/connection.ts";
import { DelayRegistry } from "./delay_registry.ts";
import { Keys } from "./keys.ts";
import { Lease } from "../../core/lease.ts";
import type { CheckedOptions } from "./options.ts";
import { ServerClock } from "./server_clock.ts";
import type { RedisSession, ServedQueue } from "./session.ts";
import { KeyNotifier } from "../../clients/redis/key_notifier.ts";

/**
 * Makes what the parts of one broker share. The first command connects.
 *
 * @param brokerId Tells the broker from all others.
 * @param clock The time of this process.
 * @param options Where Redis is, and how to use it.
 */
export function openSession(
  brokerId: string,
  clock: Clock,
  { source, namespace, maintenanceInterval, heartbeatTimeout, waitReplicas }: CheckedOptions,
): RedisSession {
  const keys = new Keys(namespace, brokerId);
  const connection = new RedisConnection(source);
  // Nothing but what waits itself is to wait on a connection until replicas have something.
  const storing = waitReplicas === undefined
    ? connection
    : new RedisConnection(source, { waitReplicas, outage: connection.outage });
  const serverClock = new ServerClock(clock, connection, keys.heartbeats);
  // Where nothing is renewed by itself, nothing could keep a lease.
  const leaseDuration = maintenanceInterval === Infinity ? Infinity : heartbeatTimeout;
  return {
    brokerId,
    clock,
    serverClock,
    keys,
    connection,
    storing,
    notifier: new KeyNotifier(connection, keys.heartbeats),
    lease: new Lease(clock, leaseDuration),
    delayRegistry: new DelayRegistry({ brokerId, connection, keys, serverClock }),
    queues: new Map<string, ServedQueue>(),
  };
}
