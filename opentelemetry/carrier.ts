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

/** Characters of a text that is read, as many as W3C Baggage allows: to parse 600 kB takes 0.3 s. */
const MAX_LENGTH = 8_192;

/** Reads only texts that are not too long: a message can come from anywhere. */
const GETTER = {
  get(carrier: TraceContext, key: string): string | undefined {
    const value = Object.hasOwn(carrier, key) ? carrier[key] : undefined;
    return typeof value === "string" && value.length <= MAX_LENGTH ? value : undefined;
  },
  keys: (carrier: TraceContext): string[] => Object.keys(carrier),
};

/**
 * Reads the context in which a message was made. What is active does not count: a worker may have
 * been started in any context.
 *
 * @param message The message.
 * @returns The context, with trace and baggage as far as the message carries them.
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
 * Writes a context for messages.
 *
 * @param context The context.
 * @returns The option `traceCtx`; `undefined` if the context is of no trace, or nothing is set up
 *   that writes it.
 */
export function writeContext(context: Context): Record<string, string> | undefined {
  if (spanContextOf(context) === undefined) return undefined;
  const carrier: Record<string, unknown> = {};
  guarded("write a trace context", () => propagation.inject(context, carrier));
  return guarded("write a trace context", () => {
    // A propagator may write anything, and a message must be encoded.
    const texts = Object.entries(carrier).filter(([, value]) => typeof value === "string");
    return texts.length === 0 ? undefined : Object.fromEntries(texts) as Record<string, string>;
  });
}

/**
 * Makes a span the one of a context.
 *
 * @param context The context.
 * @param span The span; `undefined` if there is none.
 * @returns The context with the span.
 */
export function withSpan(context: Context, span: Span | undefined): Context {
  if (span === undefined) return context;
  return guarded("activate a span", () => trace.setSpan(context, span)) ?? context;
}

/** Identity of the span of a context. */
export function spanContextOf(context: Context): SpanContext | undefined {
  return guarded("identify a span", () => trace.getSpanContext(context));
}
