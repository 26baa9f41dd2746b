import { MiddlewareError, Retry } from "./errors.ts";
import { Snooze } from "./snooze.ts";
import { Interrupt, WorkerLost } from "./interrupt.ts";
import { errorType } from "../platform/thrown.ts";

/** Depth to which an interrupt is looked for: a longer chain of causes may be a circle. */
const MAX_DEPTH = 8;

/**
 * Names a failure by the interrupt that led to it. What is given the signal of an actor rejects
 * with errors of its own when that aborts: `AbortError` of Node's timers, streams and processes.
 *
 * @param thrown What the actor threw.
 * @param interrupt Why its signal has aborted, if it has.
 * @returns The interrupt, with what was thrown as its cause, where that is an `AbortError` or was
 *   caused by one, or by an interrupt; else what was thrown. `Retry`, `Snooze` and `SkipMessage` are decisions of
 *   the actor, and stay what they are.
 */
export function failureOf(thrown: unknown, interrupt: Interrupt | undefined): unknown {
  if (interrupt === undefined || interrupt instanceof WorkerLost) return thrown;
  try {
    const isPlain = !(thrown instanceof Interrupt || thrown instanceof Retry ||
      thrown instanceof Snooze ||
      thrown instanceof MiddlewareError);
    if (!isPlain || !isConsequence(thrown, 0)) return thrown;
    const InterruptClass = interrupt.constructor as new (
      message: string,
      options: ErrorOptions,
    ) => Interrupt;
    return new InterruptClass(interrupt.message, { cause: thrown });
  } catch {
    return thrown; // it cannot be looked at
  }
}

function isConsequence(thrown: unknown, depth: number): boolean {
  if (!(thrown instanceof Error) || depth > MAX_DEPTH) return false;
  // Node does not export the class of its AbortErrors; that of the Web is a DOMException.
  if (thrown instanceof Interrupt || errorType(thrown) === "AbortError") return true;
  const { errors = [], suppressed } = thrown as { errors?: unknown; suppressed?: unknown };
  const others = Array.isArray(errors) ? errors : [];
  return [thrown.cause, suppressed, ...others].some((one) => isConsequence(one, depth + 1));
}
