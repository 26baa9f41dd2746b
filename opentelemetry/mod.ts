/**
 * OpenTelemetry: traces and metrics of messages, on `@opentelemetry/api` alone.
 *
 * @example Trace messages
 * ```ts
 * import { defaultMiddleware, StubBroker } from "@dq/dramatiq";
 * import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
 *
 * new StubBroker({ middleware: [new OpenTelemetry(), ...defaultMiddleware()] });
 * ```
 *
 * @module
 */
export { OpenTelemetry, type OpenTelemetryOptions } from "./opentelemetry.ts";
export type { Relation } from "./tracing.ts";
export type { Attributes, MeterProvider, TracerProvider } from "@opentelemetry/api";
