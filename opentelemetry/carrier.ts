import { type Context, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Message } from "../core/message.ts";
import { type TraceContext, traceContextOf } from "../core/trace_context.ts";

/** Reads only texts: a message can come from anywhere. */
const GETTER = {
  get(carrier: TraceContext, key: string): string | undefined {
    const value = Object.hasOwn(carrier, key) ? carrier[key] : undefined;
    return typeof value === "string" ? value : undefined;
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
  return carrier === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, carrier, GETTER);
}

/**
 * Writes a context for messages.
 *
 * @param context The context.
 * @returns The option `traceCtx`; `undefined` if the context is of no trace, or nothing is set up
 *   that writes it.
 */
export function writeContext(context: Context): Record<string, string> | undefined {
  const spanContext = trace.getSpanContext(context);
  if (spanContext === undefined) return undefined;
  const carrier: Record<string, string> = {};
  propagation.inject(context, carrier);
  for (const _name in carrier) return carrier;
  return undefined;
}
