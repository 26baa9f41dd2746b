import { INTEGER_FLAGS } from "../../clients/memcached/connection.ts";
import { assertAboveZero } from "../whole_number.ts";

/** Something that ends in so many ms may be forgotten earlier by that: its clock ticks in seconds. */
const CLOCK_TICK = 1_000;

/** Form in which Python's dramatiq stores a counter. */
export interface Storing {
  /** Milliseconds. */
  readonly ttl: number;
  readonly flags: number;
}

/**
 * Says how to store a counter so that it lives for its time at least.
 *
 * @param ttl Milliseconds.
 * @throws {RangeError} If they are not a whole number above 0.
 */
export function storing(ttl: number): Storing {
  assertAboveZero(ttl, "use ttl");
  return { ttl: ttl + CLOCK_TICK, flags: INTEGER_FLAGS };
}
