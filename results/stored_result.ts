import { DecodeError } from "../core/errors.ts";
import { ResultFailure } from "../core/result_errors.ts";
import type { Encoded } from "../encoders/encoder.ts";
import { errorMessage, errorType, formatTraceback } from "../platform/thrown.ts";

/** Mark of a stored failure. Source: `exceptions` in `tests/vectors/results.json`. */
const MARK = "dramatiq.results.Result";

/** A failure as it is stored. */
interface StoredFailure {
  readonly __t: typeof MARK;
  readonly exn: {
    readonly type: string;
    readonly msg: string;
    /** Ours; Python neither writes nor reads it. */
    readonly traceback?: string;
  };
}

/** Options of a stored failure. */
export interface FailureOptions {
  /** Milliseconds after which it is gone. */
  ttl: number;
  /** True if its stack is stored, for whoever may read results. @default {false} */
  withTraceback?: boolean;
}

/** Failure of a message when nothing is known: as Python has it. */
const UNKNOWN = { type: "Exception", msg: "unknown" };

/**
 * Makes the stored form of a failure.
 *
 * @param exception What the actor threw; `undefined` if that is not known.
 * @param withTraceback Whether its stack goes along.
 * @param maxLength How many characters of its text are kept.
 */
export function toStoredFailure(
  exception: unknown,
  withTraceback: boolean,
  maxLength = Infinity,
): StoredFailure {
  if (exception === undefined) return { __t: MARK, exn: UNKNOWN };
  const text = errorMessage(exception);
  const msg = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  const exn = { type: errorType(exception), msg };
  if (!withTraceback) return { __t: MARK, exn };
  return { __t: MARK, exn: { ...exn, traceback: formatTraceback(exception) } };
}

/**
 * Refuses a result that everybody would read as a failure.
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
 * Tells results from failures.
 *
 * @param stored What was stored, decoded.
 * @param data The same, as it was stored.
 * @returns The result.
 * @throws {ResultFailure} If it is a failure.
 * @throws {DecodeError} If it is marked as one, and none.
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
