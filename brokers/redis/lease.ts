import { ConnectionClosed } from "../../core/errors.ts";
import type { Lease } from "../../core/lease.ts";
import type { ServedQueue } from "./session.ts";

/**
 * Fails all consumers of a broker whose lease was lost, and resets the lease.
 *
 * @param lease The lease.
 * @param queues The queues with their consumers.
 */
export function failConsumers(lease: Lease, queues: Iterable<ServedQueue>): void {
  for (const queue of queues) queue.fail(leaseLost(queue.name, lease.duration));
  lease.reset();
}

function leaseLost(queueName: string, duration: number): ConnectionClosed {
  return new ConnectionClosed(
    `Cannot run the messages fetched from "${queueName}": no heartbeat got through for ` +
      `${duration} ms, so that other workers may have taken it over`,
  );
}
