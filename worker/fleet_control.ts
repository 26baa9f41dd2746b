import type { Cancellations } from "../core/cancellations.ts";
import type { PausedActors } from "./paused_actors.ts";

/** Commands to the fleet, as far as they concern messages of a worker. */
export interface FleetControl {
  readonly cancellations: Cancellations;
  readonly pausedActors: PausedActors;
}

/** @returns The collection; `undefined` if it is empty, which costs a batch one comparison. */
export function unlessEmpty<T extends { readonly size: number }>(
  collection: T | undefined,
): T | undefined {
  return collection?.size === 0 ? undefined : collection;
}
