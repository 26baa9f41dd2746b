import {
  type Attributes,
  context,
  metrics,
  propagation,
  SpanKind,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from "@opentelemetry/core";
import { MeterProvider, MetricReader } from "@opentelemetry/sdk-metrics";
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
  type TracerProviderOptions,
} from "@opentelemetry/sdk-trace";
import { defaultMiddleware, StubBroker, Worker } from "@dq/dramatiq";
import { OpenTelemetry, type OpenTelemetryOptions } from "@dq/dramatiq/opentelemetry";
import { FakeClock } from "../support/fake_clock.ts";

/** Registers a context manager and propagators, as an SDK does at its start. */
export function startPropagation(): void {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(
    new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
  );
}

/** Unregisters everything that a test has set up. */
export function stopAll(): void {
  for (const api of [context, propagation, trace, metrics]) api.disable();
}

/** A broker with OpenTelemetry and a running worker, on a fake clock. */
export async function startInstrumented(options: OpenTelemetryOptions) {
  const clock = new FakeClock();
  const middleware = [new OpenTelemetry(options), ...defaultMiddleware()];
  const broker = new StubBroker({ clock, middleware, failFast: false });
  const worker = new Worker(broker);
  await worker.start();
  /** Advances the clock, then waits until no message is left. */
  const settle = async (milliseconds = 0) => {
    for (let passed = 0; passed < milliseconds; passed += 500) await clock.advance(500);
    await broker.join("default");
    await worker.join();
  };
  const close = async () => {
    await worker.stop();
    await broker.close();
  };
  return { broker, clock, settle, [Symbol.asyncDispose]: close };
}

/** A tracer provider that keeps its spans for assertions. */
export class Traces {
  readonly exporter: InMemorySpanExporter = new InMemorySpanExporter();
  readonly provider: TracerProvider;

  constructor(options: TracerProviderOptions = {}) {
    const spanProcessors = [new SimpleSpanProcessor({ exporter: this.exporter })];
    this.provider = new TracerProvider({ spanProcessors, ...options });
  }

  /** Spans in the order in which they ended; all, or those of a name. */
  spans(name?: string): ReadableSpan[] {
    const all = this.exporter.getFinishedSpans();
    return name === undefined ? all : all.filter((span) => span.name === name);
  }

  /** The only span of a name. */
  span(name: string): ReadableSpan {
    const found = this.spans(name);
    if (found.length !== 1) throw new Error(`${found.length} spans are named ${name}`);
    return found[0]!;
  }

  /** The spans as a tree, one line each, indented below their parents, with their links. */
  tree(): string[] {
    const all = this.spans();
    const nameOf = (id: string) => all.find((one) => one.spanContext().spanId === id)?.name ?? id;
    const below = (parent: string | undefined, indent: string): string[] =>
      all.filter(({ parentSpanContext }) => parentSpanContext?.spanId === parent)
        .flatMap((span) => {
          const links = span.links.map(({ context: { spanId } }) => nameOf(spanId));
          const kind = SpanKind[span.kind].toLowerCase();
          const line = `${indent}${span.name} (${[kind, ...links].join(", ")})`;
          return [line, ...below(span.spanContext().spanId, `${indent}  `)];
        });
    return below(undefined, "");
  }
}

class Reader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** A meter provider that keeps its metrics for assertions. */
export class Meters {
  readonly #reader: Reader = new Reader();
  readonly provider: MeterProvider = new MeterProvider({ readers: [this.#reader] });

  /** The data points of a metric: sum or count, and attributes. */
  async points(name: string): Promise<[number, Attributes][]> {
    const { resourceMetrics } = await this.#reader.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      .filter(({ descriptor }) => descriptor.name === name)
      .flatMap(({ dataPoints }) => dataPoints as { value: unknown; attributes: Attributes }[])
      .map(({ value, attributes }) => [
        typeof value === "number" ? value : (value as { count: number }).count,
        attributes,
      ]);
  }

  /** Bounds of the buckets of a histogram. */
  async buckets(name: string): Promise<number[]> {
    const { resourceMetrics } = await this.#reader.collect();
    const [metric] = resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics)
      .filter(({ descriptor }) => descriptor.name === name);
    const { buckets } = metric!.dataPoints[0]!.value as { buckets: { boundaries: number[] } };
    return buckets.boundaries;
  }

  /** All metrics with their units. */
  async descriptions(): Promise<string[]> {
    const { resourceMetrics } = await this.#reader.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ scope, metrics }) =>
      metrics.map(({ descriptor }) => `${scope.name} ${descriptor.name} ${descriptor.unit}`)
    ).toSorted();
  }
}
