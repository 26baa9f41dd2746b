/**
 * Which Python type a value came as, where its JavaScript type does not tell: a tuple is
 * an array, a frozenset a `Set`, a bytearray a `Uint8Array`, a datetime a `Date`.
 *
 * The same object goes out as what it came as. The note lies beside the object, so that
 * actors get plain values.
 *
 * @module
 */

/** A value that Python pickles as a call: of what, and with which arguments. */
export interface PickledCall {
  /** Module and name: `datetime.datetime`. */
  readonly callable: string;
  readonly args: readonly unknown[];
}

/** Python type of a value. */
export type Origin = "tuple" | "frozenset" | "bytearray" | PickledCall;

const origins = /* @__PURE__ */ new WeakMap<object, Origin>();

/** Notes what a value was. */
export function noteOrigin<T extends object>(value: T, origin: Origin): T {
  origins.set(value, origin);
  return value;
}

/** @returns What a value was, as far as that was noted. */
export function originOf(value: object): Origin | undefined {
  return origins.get(value);
}
