import type { MeterProvider, TracerProvider } from "@opentelemetry/api";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { Message } from "../core/message.ts";
import { showValue } from "../platform/show_value.ts";

/** Relation of the span of an attempt to the one that sent the message. */
export type Relation = "parent" | "link";

/** Attributes that an application adds to spans, by name. */
export type MoreAttributes = Readonly<
  Record<string, string | number | boolean | string[] | number[] | boolean[] | undefined>
>;

/** A `TracerProvider`. */
export interface TracerSource {
  /** Returns a `Tracer`. */
  getTracer(name: string, version?: string): object;
}

/** A `MeterProvider`. */
export interface MeterSource {
  /** Returns a `Meter`. */
  getMeter(name: string, version?: string): object;
}

/** Options for {@linkcode OpenTelemetry}. */
export interface OpenTelemetryOptions {
  /**
   * Relation of the span of an attempt to the span of the send: `"parent"` makes it a child in the
   * same trace; `"link"` starts a new trace with a link to it, for traces that send thousands of
   * messages.
   *
   * @default {"parent"}
   */
  relation?: Relation;
  /** Provider of tracers. @default {trace.getTracerProvider()} The global one, at each use. */
  tracerProvider?: TracerSource;
  /** Provider of meters. @default {metrics.getMeterProvider()} The global one, at each use. */
  meterProvider?: MeterSource;
  /**
   * Adds attributes to each span of a message, but not to that of a batch. Must be synchronous.
   * Errors are logged.
   *
   * @param message The message.
   */
  attributes?: (message: Message) => MoreAttributes | undefined;
}

const KNOWN_OPTIONS: KnownOptions<OpenTelemetryOptions> = {
  relation: true,
  tracerProvider: true,
  meterProvider: true,
  attributes: true,
};

/** Options with their defaults. */
interface Checked {
  readonly relation: Relation;
  readonly tracerProvider: TracerProvider | undefined;
  readonly meterProvider: MeterProvider | undefined;
  readonly attributes: OpenTelemetryOptions["attributes"];
}

/**
 * Checks options.
 *
 * @throws {TypeError} If one is unknown, or of the wrong type.
 */
export function checkOptions(options: OpenTelemetryOptions): Checked {
  assertKnownOptions("OpenTelemetry", options, KNOWN_OPTIONS);
  const { relation = "parent", tracerProvider, meterProvider, attributes } = options;
  if (relation !== "parent" && relation !== "link") {
    throw new TypeError(
      `Cannot relate spans by ${showValue(relation)}: relation must be "parent" or "link"`,
    );
  }
  if (attributes !== undefined && typeof attributes !== "function") {
    throw new TypeError(
      `Cannot use ${showValue(attributes)} as attributes: it must be a function`,
    );
  }
  checkProvider("tracerProvider", tracerProvider, "getTracer");
  checkProvider("meterProvider", meterProvider, "getMeter");
  return {
    relation,
    attributes,
    tracerProvider: tracerProvider as TracerProvider | undefined,
    meterProvider: meterProvider as MeterProvider | undefined,
  };
}

function checkProvider(option: string, provider: unknown, method: string): void {
  if (provider === undefined) return;
  const given = provider as Record<string, unknown> | null;
  if (typeof given?.[method] === "function") return;
  const shown = given instanceof Object ? `a value of ${given.constructor?.name}` : String(given);
  throw new TypeError(`Cannot use ${shown} as ${option}: it must have a method ${method}`);
}
