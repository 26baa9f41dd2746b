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
 * Creates the session of a broker. The first command connects.
 *
 * @param brokerId Id of the broker.
 * @param clock The clock of this process.
 * @param options Options of the broker.
 */
export function openSession(
  brokerId: string,
  clock: Clock,
  { source, namespace, maintenanceInterval, heartbeatTimeout, waitReplicas }: CheckedOptions,
): RedisSession {
  const keys = new Keys(namespace, brokerId);
  const connection = new RedisConnection(source);
  // `WAIT` blocks a connection: other commands use another one.
  const storing = waitReplicas === undefined
    ? connection
    : new RedisConnection(source, { waitReplicas, outage: connection.outage });
  const serverClock = new ServerClock(clock, connection, keys.heartbeats);
  // Without heartbeats, a lease would end though the worker lives.
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
