import { type AttributeValue, type Span, SpanStatusCode } from "@opentelemetry/api";
import { RateLimitExceeded, Retry, SkipMessage } from "../core/errors.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { Snooze } from "../core/snooze.ts";
import { errorMessage, errorType } from "../platform/thrown.ts";
import { guarded } from "./guard.ts";

/** Outcome of an attempt, as far as it is known where the actor runs. */
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
 * Maps the error of an actor to the outcome of its attempt.
 *
 * @param thrown The thrown value.
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
 * Ends the span of an attempt whose actor threw, or was abandoned or killed. Only the outcome
 * `failed` marks the span as an error.
 *
 * @param span The span.
 * @param thrown The thrown value, or the reason.
 */
export function endFailed(span: Span, thrown: unknown): void {
  const outcome = outcomeOfThrown(thrown);
  setAttribute(span, "dramatiq.outcome", outcome);
  if (outcome === "failed") recordError(span, thrown);
  endSpan(span);
}

/**
 * Records an error on a span: type, message and traceback.
 *
 * @param span The span.
 * @param thrown Any thrown value.
 */
export function recordError(span: Span, thrown: unknown): void {
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
    return undefined; // a revoked proxy, or a getter that throws
  }
}
