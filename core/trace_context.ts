import type { Message } from "./message.ts";

/** Trace context of a message: `traceparent` and others, by the names of the headers of HTTP. */
export type TraceContext = Readonly<Record<string, unknown>>;

/** `traceparent` of W3C Trace Context: version, trace, span, flags. */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/;
const NO_TRACE = "00000000000000000000000000000000";

/**
 * Finds the trace context of a message: in the option `trace_ctx`, as this library and the
 * instrumentations of Python's dramatiq and remoulade write it; in `trace_context`, also within an
 * option `options`; or in options of its own, `traceparent`, `tracestate` and `baggage`.
 *
 * @param message The message.
 * @returns The context; `undefined` if it has none. Its values can be anything.
 */
export function traceContextOf(message: Message): TraceContext | undefined {
  const own = message.option("traceCtx");
  if (isContext(own)) return own;
  const other = message.option("trace_context");
  if (isContext(other)) return other;
  const nested = message.option("options") as { trace_context?: unknown } | null | undefined;
  if (isContext(nested?.trace_context)) return nested.trace_context;
  const traceparent = message.option("traceparent");
  if (typeof traceparent !== "string") return undefined;
  const [tracestate, baggage] = [message.option("tracestate"), message.option("baggage")];
  return { traceparent, tracestate, baggage };
}

/**
 * Finds the id of the trace that a message belongs to.
 *
 * @param message The message.
 * @returns 32 hexadecimal digits; `undefined` if it names no trace by a `traceparent`.
 */
export function traceIdOf(message: Message): string | undefined {
  const traceparent = traceContextOf(message)?.["traceparent"];
  const id = typeof traceparent === "string" ? TRACEPARENT.exec(traceparent)?.[1] : undefined;
  return id === NO_TRACE ? undefined : id;
}

/** Python's instrumentations write an empty one where there is no trace. */
function isContext(value: unknown): value is TraceContext {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  for (const _name in value) return true;
  return false;
}
