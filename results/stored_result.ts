import { DecodeError } from "../core/errors.ts";
import { ResultFailure } from "../core/result_errors.ts";
import type { Encoded } from "../encoders/encoder.ts";
import { errorMessage, errorType, formatTraceback } from "../platform/thrown.ts";

/** Mark of a stored failure. Source: `exceptions` in `tests/vectors/results.json`. */
const MARK = "dramatiq.results.Result";

/** Stored form of a failure. */
interface StoredFailure {
  readonly __t: typeof MARK;
  readonly exn: {
    readonly type: string;
    readonly msg: string;
    /** Not in Python, which neither writes nor reads it. */
    readonly traceback?: string;
  };
}

/** Options of a stored failure. */
export interface FailureOptions {
  /** Time to live in milliseconds. */
  ttl: number;
  /** True if its stack is stored, too. @default {false} */
  withTraceback?: boolean;
}

/** Stored form of an unknown failure, as in Python. */
const UNKNOWN = { type: "Exception", msg: "unknown" };

/**
 * Makes the stored form of a failure.
 *
 * @param exception The error of the actor; `undefined` if it is unknown.
 * @param options Whether to include its stack, and the maximum of characters of its text.
 */
export function toStoredFailure(
  exception: unknown,
  { withTraceback = false, maxLength = Infinity }: { withTraceback?: boolean; maxLength?: number },
): StoredFailure {
  if (exception === undefined) return { __t: MARK, exn: UNKNOWN };
  const text = errorMessage(exception);
  const msg = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  const exn = { type: errorType(exception), msg };
  if (!withTraceback) return { __t: MARK, exn };
  return { __t: MARK, exn: { ...exn, traceback: formatTraceback(exception) } };
}

/**
 * Refuses a result that readers would take for a failure.
 *
 * @param result What an actor returned.
 * @throws {TypeError} If it has the mark of a stored failure.
 */
export function assertUnmarked(result: unknown): void {
  if (typeof result !== "object" || result === null || !Object.hasOwn(result, "__t")) return;
  if ((result as Partial<StoredFailure>).__t !== MARK) return;
  throw new TypeError(
    `Cannot store a result whose __t is "${MARK}": readers would take it for a failure`,
  );
}

/**
 * Converts a stored value to a result, or throws the failure.
 *
 * @param stored The decoded value.
 * @param data The encoded value.
 * @returns The result.
 * @throws {ResultFailure} If it is a failure.
 * @throws {DecodeError} If it has the mark of a failure, and is not valid.
 */
export function fromStored(stored: unknown, data: Encoded): unknown {
  if (typeof stored !== "object" || stored === null) return stored;
  if ((stored as Partial<StoredFailure>).__t !== MARK) return stored;
  const { type, msg, traceback } = (stored as Partial<StoredFailure>).exn ?? {};
  if (typeof type !== "string" || typeof msg !== "string") {
    throw new DecodeError(
      "Cannot decode result: it is marked as a failure but names no error",
      data,
    );
  }
  throw new ResultFailure(`actor raised ${type}: ${msg}`, {
    origExcType: type,
    origExcMsg: msg,
    ...(typeof traceback === "string" && { origTraceback: traceback }),
  });
}
