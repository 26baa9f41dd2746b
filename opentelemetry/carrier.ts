import {
  type Context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  trace,
} from "@opentelemetry/api";
import type { Message } from "../core/message.ts";
import { type TraceContext, traceContextOf } from "../core/trace_context.ts";
import { guarded } from "./guard.ts";

/** Maximum of characters of a value, the limit of W3C Baggage. Parsing 600 kB would take 0.3 s. */
const MAX_LENGTH = 8_192;

/** Ignores long values: messages are not trusted. */
const GETTER = {
  get(carrier: TraceContext, key: string): string | undefined {
    const value = Object.hasOwn(carrier, key) ? carrier[key] : undefined;
    return typeof value === "string" && value.length <= MAX_LENGTH ? value : undefined;
  },
  keys: (carrier: TraceContext): string[] => Object.keys(carrier),
};

/**
 * Reads the context in which a message was made. Based on the root context, not on the active one:
 * a worker may have been started in any context.
 *
 * @param message The message.
 * @returns The context, with the trace and the baggage that the message carries.
 */
export function readContext(message: Message): Context {
  const carrier = traceContextOf(message);
  if (carrier === undefined) return ROOT_CONTEXT;
  const read = guarded("read a trace context", () => {
    const context: Context | undefined = propagation.extract(ROOT_CONTEXT, carrier, GETTER);
    return typeof context?.getValue === "function" ? context : undefined;
  });
  return read ?? ROOT_CONTEXT;
}

/**
 * Encodes a context for messages.
 *
 * @param context The context.
 * @returns The option `traceCtx`; `undefined` if the context has no trace, or no propagator is set.
 */
export function writeContext(context: Context): Record<string, string> | undefined {
  if (spanContextOf(context) === undefined) return undefined;
  const carrier: Record<string, unknown> = {};
  guarded("write a trace context", () => propagation.inject(context, carrier));
  return guarded("write a trace context", () => {
    // Custom propagators may write other values, which an encoder may refuse.
    const texts = Object.entries(carrier).filter(([, value]) => typeof value === "string");
    return texts.length === 0 ? undefined : Object.fromEntries(texts) as Record<string, string>;
  });
}

/**
 * Sets the span of a context.
 *
 * @param context The context.
 * @param span The span; `undefined` if there is none.
 * @returns The context with the span.
 */
export function withSpan(context: Context, span: Span | undefined): Context {
  if (span === undefined) return context;
  return guarded("activate a span", () => trace.setSpan(context, span)) ?? context;
}

/** The span context of a context, if it has a span. */
export function spanContextOf(context: Context): SpanContext | undefined {
  return guarded("identify a span", () => trace.getSpanContext(context));
}
