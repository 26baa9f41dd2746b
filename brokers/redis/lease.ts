import { ConnectionClosed } from "../../core/errors.ts";
import { Lease } from "../../core/lease.ts";
import type { ConsumedQueue } from "./consumed_queue.ts";

export { Lease };

/**
 * Fails all consumers of a broker whose lease was lost, and begins anew.
 *
 * @param lease The lease.
 * @param queues The queues with their consumers.
 */
export function tellLoss(lease: Lease, queues: Iterable<ConsumedQueue>): void {
  for (const queue of queues) queue.fail(leaseLost(queue.name, lease.duration));
  lease.reset();
}

function leaseLost(queueName: string, duration: number): ConnectionClosed {
  return new ConnectionClosed(
    `Cannot go on with what was fetched from "${queueName}": no heartbeat got through for ` +
      `${duration} ms, so that other workers may have taken it over`,
  );
}
