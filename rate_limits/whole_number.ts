import { showValue } from "../platform/show_value.ts";

/**
 * Checks a count or a time.
 *
 * @param number The number.
 * @param what What it is for: the end of "Cannot …".
 * @throws {RangeError} If it is not a whole number above 0.
 */
export function assertAboveZero(number: number, what: string): void {
  if (Number.isSafeInteger(number) && number > 0) return;
  throw new RangeError(`Cannot ${what} ${String(number)}: it must be a whole number above 0`);
}

/**
 * Checks the time to live of a lease; 0 ends it.
 *
 * @param ttl Milliseconds.
 * @throws {RangeError} If it is not a whole number of 0 or more.
 */
export function assertLeaseTtl(ttl: number): void {
  if (Number.isSafeInteger(ttl) && ttl >= 0) return;
  throw new RangeError(`Cannot use ttl ${String(ttl)}: it must be a whole number of 0 or more`);
}

/**
 * Checks the key of a limiter or barrier.
 *
 * @param key The key.
 * @throws {TypeError} If it is not a string, or empty.
 */
export function assertKey(key: string): void {
  if (typeof key === "string" && key !== "") return;
  throw new TypeError(`Cannot use key ${showValue(key)}: it must be a non-empty string`);
}
