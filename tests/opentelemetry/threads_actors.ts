import { appendFileSync } from "node:fs";
import process from "node:process";
import { trace } from "@opentelemetry/api";
import {
  BatchSpanProcessor,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { actor, defaultMiddleware, StubBroker } from "@dq/dramatiq";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
import { isInsideRealm } from "../../worker/executors/realm_modules.ts";
import { startPropagation } from "./fixture.ts";

/** A span, or what an actor saw, as the test reads it. */
export interface Line {
  readonly name: string;
  readonly isOfThread: boolean;
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
  readonly parentId?: string | undefined;
  readonly milliseconds?: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
}

const journal = process.env["TRACES_JOURNAL"]!;
const write = (line: Omit<Line, "isOfThread">) =>
  appendFileSync(journal, `${JSON.stringify({ ...line, isOfThread: isInsideRealm() })}\n`);

const exporter: SpanExporter = {
  export(spans: ReadableSpan[], done) {
    for (const span of spans) {
      const { name, attributes, parentSpanContext, duration } = span;
      const { traceId, spanId } = span.spanContext();
      const parentId = parentSpanContext?.spanId;
      const milliseconds = duration[0] * 1_000 + duration[1] / 1e6;
      write({ name, traceId, spanId, parentId, milliseconds, attributes });
    }
    done({ code: 0 });
  },
  shutdown: () => Promise.resolve(),
};

// Each thread has an SDK of its own, since it imports this module. A batch waits for five seconds.
startPropagation();
const spanProcessors = [
  isInsideRealm() ? new BatchSpanProcessor({ exporter }) : new SimpleSpanProcessor({ exporter }),
];
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors }));

/** The broker of the actors. */
export const broker: StubBroker = new StubBroker({
  middleware: [new OpenTelemetry(), ...defaultMiddleware()],
  failFast: false,
});

const options = { broker, maxRetries: 0 };
/** Writes which span is active. */
export const work = actor(async function work() {
  await Promise.resolve();
  const { traceId, spanId } = trace.getActiveSpan()?.spanContext() ?? {};
  write({ name: "active", traceId, spanId });
}, options);
/** Does not stop at its time limit. On Deno nothing ends its thread, which would use a core to the end. */
export const spin = actor(function spin() {
  const end = performance.now() + 10_000;
  while (performance.now() < end);
}, { ...options, timeLimit: 100 });
/** Brings its thread down. */
export const crash = actor(function crash() {
  process.exit(3);
}, options);
