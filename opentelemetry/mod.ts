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
export { OpenTelemetry } from "./opentelemetry.ts";
export type { OpenTelemetryOptions } from "./options.ts";
export type { MeterSource, MoreAttributes, Relation, TracerSource } from "./options.ts";
