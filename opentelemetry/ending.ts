import { type AttributeValue, type Span, SpanStatusCode } from "@opentelemetry/api";
import { RateLimitExceeded, Retry, SkipMessage } from "../core/errors.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { Snooze } from "../core/snooze.ts";
import { errorMessage, errorType } from "../platform/thrown.ts";
import { guarded } from "./guard.ts";

/** End of an attempt, as far as it is known where the actor runs. */
export type AttemptOutcome =
  | "done"
  | "failed"
  | "retried"
  | "snoozed"
  | "limited"
  | "skipped"
  | "cancelled"
  | "lost";

/**
 * Names the end of an attempt by what its actor threw. What actors throw on purpose is not an error.
 *
 * @param thrown What it threw.
 * @returns The outcome.
 */
export function outcomeOfThrown(thrown: unknown): AttemptOutcome {
  if (thrown instanceof Retry) return "retried";
  if (thrown instanceof Snooze) return "snoozed";
  if (thrown instanceof RateLimitExceeded) return "limited";
  if (thrown instanceof SkipMessage) return "skipped";
  if (thrown instanceof Cancelled) return "cancelled";
  if (thrown instanceof WorkerLost) return "lost";
  return "failed";
}

/** Sets an attribute of a span. */
export function setAttribute(span: Span, name: string, value: AttributeValue): void {
  guarded("set an attribute", () => span.setAttribute(name, value));
}

/** Ends a span. */
export function endSpan(span: Span): void {
  guarded("end a span", () => span.end());
}

/** Ends the span of an attempt whose actor returned. */
export function endDone(span: Span): void {
  setAttribute(span, "dramatiq.outcome", "done" satisfies AttemptOutcome);
  endSpan(span);
}

/**
 * Ends the span of an attempt whose actor threw, or was given up.
 *
 * @param span The span.
 * @param thrown What the actor threw, or why it was given up.
 */
export function endFailed(span: Span, thrown: unknown): void {
  const outcome = outcomeOfThrown(thrown);
  setAttribute(span, "dramatiq.outcome", outcome);
  if (outcome === "failed") noteError(span, thrown);
  endSpan(span);
}

/**
 * Notes an error on a span: type, message and traceback.
 *
 * @param span The span.
 * @param thrown Anything that was thrown.
 */
export function noteError(span: Span, thrown: unknown): void {
  guarded("record an error", () => {
    if (!span.isRecording()) return;
    const type = errorType(thrown);
    const message = errorMessage(thrown);
    span.setAttribute("error.type", type);
    span.setStatus({ code: SpanStatusCode.ERROR, message });
    const stack = stackOf(thrown);
    span.recordException({ name: type, message, ...(stack !== undefined && { stack }) });
  });
}

function stackOf(thrown: unknown): string | undefined {
  try {
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    return typeof stack === "string" ? stack : undefined;
  } catch {
    return undefined; // it cannot be looked at
  }
}
