import { showValue } from "./show_value.ts";

/**
 * A span of time: milliseconds, or an object with the fields of a `Temporal.Duration`. A
 * `Temporal.Duration` itself can be passed, too.
 */
export type Duration = number | DurationFields;

/** The fields of a `Temporal.Duration` that have a fixed length. */
export interface DurationFields {
  /** Seven days each. */
  readonly weeks?: number;
  /** Twenty-four hours each. */
  readonly days?: number;
  /** Sixty minutes each. */
  readonly hours?: number;
  /** Sixty seconds each. */
  readonly minutes?: number;
  /** A thousand milliseconds each. */
  readonly seconds?: number;
  /** Added to the other fields. */
  readonly milliseconds?: number;
}

const MILLISECONDS: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
  ["weeks", 7 * 86_400_000],
  ["days", 86_400_000],
  ["hours", 3_600_000],
  ["minutes", 60_000],
  ["seconds", 1_000],
  ["milliseconds", 1],
]);

/**
 * @param duration Milliseconds or duration fields.
 * @param name The option that holds the duration, for errors.
 * @returns Milliseconds.
 * @throws {TypeError} If it is neither, or names a field without a fixed length.
 * @throws {RangeError} If it is not finite.
 */
export function toMilliseconds(duration: Duration, name: string): number {
  const total = typeof duration === "number" ? duration : sumFields(duration, name);
  if (!Number.isFinite(total)) {
    throw new RangeError(`Cannot use ${total} as ${name}: it must be a finite number of ms`);
  }
  return total;
}

function sumFields(fields: DurationFields, name: string): number {
  if (typeof fields !== "object" || fields === null) {
    throw new TypeError(
      `Cannot use ${String(fields)} as ${name}: it must be milliseconds or { seconds: … }`,
    );
  }
  let total = 0;
  let known = 0;
  for (const [field, length] of MILLISECONDS) {
    // A Temporal.Duration has its fields as getters on the prototype.
    const count = (fields as Record<string, unknown>)[field];
    if (count === undefined) continue;
    if (typeof count !== "number") {
      throw new TypeError(`Cannot use ${String(count)} ${field} as ${name}: it must be a number`);
    }
    known += 1;
    total += count * length;
  }
  const unknown = Object.keys(fields).filter((key) => !MILLISECONDS.has(key));
  const { years = 0, months = 0 } = fields as { years?: number; months?: number };
  if (unknown.length > 0 || known === 0 || years !== 0 || months !== 0) {
    throw new TypeError(
      `Cannot use ${showValue(fields)} as ${name}: it must be milliseconds or an object of ` +
        [...MILLISECONDS.keys()].join(", "),
    );
  }
  return total;
}
