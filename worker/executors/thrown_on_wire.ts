import type { ErrorClass } from "../../core/actor_options.ts";
import * as libraryErrors from "../../core/errors.ts";
import { NotSupported } from "../../core/inspection_error.ts";
import * as interrupts from "../../core/interrupt.ts";
import * as resultErrors from "../../core/result_errors.ts";
import { Snooze } from "../../core/snooze.ts";
import { errorMessage, errorType, shorten } from "../../platform/thrown.ts";

/** A thrown value on its way to another realm. */
export interface ThrownOnWire {
  /** Its class names, from its own up to that of a class that every realm has. */
  readonly classes?: readonly string[];
  /** Its name as `errorType` gives it; without it, what was thrown is `value`. */
  readonly type?: string;
  readonly message?: string;
  readonly stack?: string | undefined;
  /** Its other fields, those that can cross. */
  readonly fields?: Readonly<Record<string, unknown>>;
  readonly cause?: ThrownOnWire;
  /** Errors of an `AggregateError`. */
  readonly errors?: readonly ThrownOnWire[];
  /** Thrown value that is not an error. */
  readonly value?: unknown;
}

/** A longer chain of causes is useless, and may be circular. */
const MAX_DEPTH = 8;
/** Errors that all `AggregateError`s of one error may hold together. */
const MAX_ERRORS = 100;
/** Characters of a stack. */
const MAX_STACK_LENGTH = 2 ** 18;
const OWN_FIELDS = ["name", "message", "stack", "cause", "errors"];

/** The classes that are the same everywhere, by name. */
const SHARED: ReadonlyMap<string, ErrorClass> = /* @__PURE__ */ new Map(
  [
    ...Object.values(libraryErrors),
    ...Object.values(interrupts),
    ...Object.values(resultErrors),
    ...[NotSupported, Snooze],
    ...[AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError],
    Error,
  ].map((one): [string, ErrorClass] => [one.name, one]),
);

/**
 * Packs what was thrown.
 *
 * @param thrown Anything that a `catch` clause may get.
 * @returns What a structured clone carries, and `fromWire` makes the like of.
 */
export function toWire(thrown: unknown): ThrownOnWire {
  return pack(thrown, 0, { left: MAX_ERRORS });
}

function pack(thrown: unknown, depth: number, budget: { left: number }): ThrownOnWire {
  let isError = false;
  try {
    isError = thrown instanceof Error;
  } catch {
    // A revoked proxy, which is not an error either.
  }
  if (!isError) return { value: cloneable(thrown) ?? describe(thrown) };
  const error = thrown as Error;
  const { cause, errors } = read(error);
  return {
    classes: classNames(error),
    type: errorType(error),
    message: errorMessage(error),
    stack: read(error).stack,
    fields: fieldsOf(error),
    ...(cause !== undefined && depth < MAX_DEPTH && { cause: pack(cause, depth + 1, budget) }),
    ...(Array.isArray(errors) && depth < MAX_DEPTH && {
      errors: packAll(errors, depth + 1, budget),
    }),
  };
}

/**
 * Unpacks what was thrown in another realm.
 *
 * @param wire What `toWire` made.
 * @param known Error classes of this realm that it may be of; they are told by their names.
 * @returns An error of the nearest class that is known here, with name, message, stack
 *   and cause as they were; or the value that was thrown instead of one.
 */
export function fromWire(wire: ThrownOnWire, known: readonly ErrorClass[] = []): unknown {
  if (wire.type === undefined) return wire.value;
  const error = new Error(wire.message);
  const name = wire.classes?.find((one) => known.some((it) => it.name === one) || SHARED.has(one));
  const nearest = known.find((one) => one.name === name) ?? SHARED.get(name ?? "Error") ?? Error;
  Object.setPrototypeOf(error, nearest.prototype);
  for (const [field, value] of Object.entries(wire.fields ?? {})) {
    Object.defineProperty(error, field, { value, ...VISIBLE });
  }
  const hidden: Record<string, unknown> = { stack: wire.stack };
  if (wire.cause !== undefined) hidden["cause"] = fromWire(wire.cause, known);
  if (wire.errors !== undefined) hidden["errors"] = wire.errors.map((one) => fromWire(one, known));
  if (errorType(error) !== wire.type) hidden["name"] = wire.type;
  for (const [field, value] of Object.entries(hidden)) {
    Object.defineProperty(error, field, { value, ...VISIBLE, enumerable: false });
  }
  return error;
}

const VISIBLE = { writable: true, enumerable: true, configurable: true };

function packAll(
  errors: readonly unknown[],
  depth: number,
  budget: { left: number },
): ThrownOnWire[] {
  const packed: ThrownOnWire[] = [];
  for (const error of errors) {
    if (budget.left-- <= 0) break;
    packed.push(pack(error, depth, budget));
  }
  return packed;
}

/** Names up to the first class that is the very one that every realm has. */
function classNames(error: Error): string[] {
  const names: string[] = [];
  let prototype = Object.getPrototypeOf(error);
  while (prototype !== null && prototype !== Object.prototype) {
    const { name } = prototype.constructor as { name: string };
    if (SHARED.get(name) === prototype.constructor) return [...names, name];
    // One that merely has the name of a shared class must not pass for it.
    if (!SHARED.has(name)) names.push(name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return [...names, "Error"];
}

function fieldsOf(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(error)) {
    if (OWN_FIELDS.includes(name)) continue;
    const value = cloneable((error as unknown as Record<string, unknown>)[name]);
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

/** The value, or `undefined` when it cannot cross. */
function cloneable(value: unknown): unknown {
  if (typeof value !== "object" || value === null) {
    return typeof value === "function" || typeof value === "symbol" ? undefined : value;
  }
  try {
    return structuredClone(value);
  } catch {
    return undefined;
  }
}

/** The parts of an error that may throw when they are looked at. */
function read(error: Error): { stack?: string; cause?: unknown; errors?: unknown } {
  try {
    const { stack, cause } = error;
    return {
      ...(typeof stack === "string" && { stack: shorten(stack, MAX_STACK_LENGTH) }),
      cause,
      errors: errorsOf(error),
    };
  } catch {
    return {};
  }
}

function errorsOf(error: Error): unknown {
  return error instanceof AggregateError ? error.errors : undefined;
}

/** Text of what cannot cross, or `undefined` when nothing was thrown. */
function describe(thrown: unknown): string | undefined {
  return thrown === undefined ? undefined : errorMessage(thrown);
}
