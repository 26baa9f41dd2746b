/**
 * The Python type that a value was read as, where its JavaScript type leaves it open: a tuple
 * is an array, a frozenset a `Set`, a bytearray a `Uint8Array`, a datetime a `Date`.
 *
 * The same object is written as that type again. The note is kept apart from the object, so
 * that actors get plain values.
 *
 * @module
 */

/** The call as which Python pickles a value. */
export interface PickledCall {
  /** Module and name: `datetime.datetime`. */
  readonly callable: string;
  readonly args: readonly unknown[];
}

/** Python type of a value. */
export type Origin = "tuple" | "frozenset" | "bytearray" | PickledCall;

const origins = /* @__PURE__ */ new WeakMap<object, Origin>();

/** Notes the Python type of a value. */
export function noteOrigin<T extends object>(value: T, origin: Origin): T {
  origins.set(value, origin);
  return value;
}

/** @returns The Python type of a value, if it was noted. */
export function originOf(value: object): Origin | undefined {
  return origins.get(value);
}
