import { assert, assertEquals, assertRejects } from "@std/assert";
import { context, propagation, SpanStatusCode, trace } from "@opentelemetry/api";
import { AlwaysOffSampler } from "@opentelemetry/sdk-trace";
import {
  actor,
  currentSignal,
  defaultMiddleware,
  MiddlewareError,
  pipeline,
  RateLimitExceeded,
  Retry,
  SkipMessage,
  Snooze,
  StubBroker,
} from "@dq/dramatiq";
import { OpenTelemetry, type OpenTelemetryOptions } from "@dq/dramatiq/opentelemetry";
import { linesOf, textOf } from "../support/log.ts";
import { after, test } from "../support/test.ts";
import { startInstrumented, startPropagation, stopAll, Traces } from "./fixture.ts";

startPropagation();
after(stopAll);

/** A broker whose spans are recorded, with a worker. */
function open(traces: Traces, options: OpenTelemetryOptions = {}) {
  return startInstrumented({ tracerProvider: traces.provider, ...options });
}

const FAST = { minBackoff: 1_000, maxBackoff: 1_000 };

test("OpenTelemetry makes a span for a send, and siblings for its attempts", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  let runs = 0;
  const x = actor((_secret: string) => {
    if (++runs === 1) throw new RangeError("too far");
  }, { broker, actorName: "x", ...FAST });
  const { messageId } = await x.send("secret");
  await settle(1_500);
  assertEquals(traces.tree(), [
    "send default (producer)",
    "  process default (consumer, send default)",
    "  process default (consumer, send default)",
  ]);
  const common = {
    "messaging.system": "dramatiq",
    "messaging.system.name": "dramatiq",
    "messaging.destination.name": "default",
    "messaging.message.id": messageId,
    "dramatiq.actor": "x",
    "dramatiq.broker": "StubBroker",
  };
  const send = { "messaging.operation.name": "send", "messaging.operation.type": "send" };
  assertEquals(traces.span("send default").attributes, { ...common, ...send });
  const [first, second] = traces.spans("process default");
  const { "messaging.message.body.size": size, ...others } = first!.attributes;
  assert((size as number) > 200);
  assertEquals(others, {
    ...common,
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
    "dramatiq.attempt": 1,
    "dramatiq.outcome": "failed",
    "error.type": "RangeError",
  });
  assertEquals(first!.status, { code: SpanStatusCode.ERROR, message: "too far" });
  const [event] = first!.events;
  assertEquals([event?.name, event?.attributes?.["exception.type"]], ["exception", "RangeError"]);
  assertEquals(second!.attributes["dramatiq.attempt"], 2);
  assertEquals(second!.attributes["dramatiq.outcome"], "done");
  assertEquals(second!.status.code, SpanStatusCode.UNSET);
  assertEquals(second!.instrumentationScope.name, "@dq/dramatiq");
  const texts = traces.spans().map(({ attributes }) => JSON.stringify(attributes)).join();
  assert(!texts.includes("secret"), "arguments are nobody's business");
});

test("OpenTelemetry has a span active while a message is stored, and while its actor runs", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  const active = () => trace.getActiveSpan()?.spanContext().spanId;
  const seen: (string | undefined)[] = [];
  broker.addMiddleware({ beforeEnqueue: () => void seen.push(active()) });
  const inner = actor(() => void seen.push(active()), { broker, actorName: "inner" });
  const outer = actor(async () => {
    await Promise.resolve();
    seen.push(active());
    await inner.send();
  }, { broker, actorName: "outer" });
  const tracer = traces.provider.getTracer("test");
  await tracer.startActiveSpan("request", async (span) => {
    await outer.send();
    span.end();
  });
  await settle();
  assertEquals(traces.tree(), [
    "request (internal)",
    "  send default (producer)",
    "    process default (consumer, send default)",
    "      send default (producer)",
    "        process default (consumer, send default)",
  ]);
  const [first, second] = traces.spans("send default").map((one) => one.spanContext().spanId);
  const processes = traces.spans("process default");
  const [outerSpan, innerSpan] = ["outer", "inner"].map((name) =>
    processes.find(({ attributes }) => attributes["dramatiq.actor"] === name)!.spanContext().spanId
  );
  assertEquals(seen, [first, outerSpan, second, innerSpan]);
});

test("OpenTelemetry with relation link gives each attempt a trace of its own", async () => {
  const traces = new Traces();
  await using site = await open(traces, { relation: "link" });
  const { broker, settle } = site;
  const tenants: unknown[] = [];
  const x = actor(
    () => void tenants.push(propagation.getActiveBaggage()?.getEntry("tenant")?.value),
    { broker, actorName: "x" },
  );
  const baggage = propagation.createBaggage({ tenant: { value: "acme" } });
  await context.with(propagation.setBaggage(context.active(), baggage), () => x.send());
  await settle();
  assertEquals(traces.tree(), [
    "send default (producer)",
    "process default (consumer, send default)",
  ]);
  assertEquals(tenants, ["acme"]);
});

test("OpenTelemetry makes one span for a batch, whose context all its messages carry", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  const x = actor((_n: number) => {}, { broker, actorName: "x" });
  const y = actor(() => {}, { broker, actorName: "y", queueName: "other" });
  const sent = await x.sendMany([[1], [2], [3]]);
  await settle();
  const span = traces.span("send default");
  assertEquals(span.attributes["messaging.batch.message_count"], 3);
  assertEquals(span.attributes["dramatiq.actor"], "x");
  const { traceId, spanId } = span.spanContext();
  const traceparent = `00-${traceId}-${spanId}-01`;
  assertEquals(sent.map(({ options }) => options.traceCtx), Array(3).fill({ traceparent }));
  assertEquals(traces.tree().length, 4);
  await broker.enqueueMany([x.message(4), y.message()]);
  const { attributes } = traces.span("send");
  assertEquals([attributes["messaging.destination.name"], attributes["dramatiq.actor"]], [
    undefined,
    undefined,
  ]);
  await broker.enqueueMany([]);
  assertEquals(traces.spans().filter(({ name }) => name.startsWith("send")).length, 2);
});

test("OpenTelemetry keeps pipelines and callbacks in the trace of what they follow from", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  const told = actor(() => {}, { broker, actorName: "told" });
  const x = actor(() => 1, { broker, actorName: "x", onSuccess: told });
  const y = actor((_n: number) => {}, { broker, actorName: "y" });
  await pipeline([x.message(), y.message()], { broker }).run();
  await settle();
  const ids = new Set(traces.spans().map((span) => span.spanContext().traceId));
  assertEquals([ids.size, traces.spans("send default").length], [1, 3]);
  assertEquals(traces.tree().filter((line) => line.startsWith("  send")).length, 2);
});

test("OpenTelemetry keeps the trace of delayed messages and requeued dead letters", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, clock, settle } = site;
  let runs = 0;
  const x = actor(() => {
    if (++runs === 1) throw new Error("no");
  }, { broker, actorName: "x", maxRetries: 0 });
  const eta = clock.now() + 1_000;
  await x.sendWithOptions({ delay: 1_000 });
  await settle(1_500);
  for await (const dead of broker.deadLetters("default")) await dead.requeue();
  await settle();
  assertEquals(traces.tree().length, 3);
  assertEquals(traces.span("send default").attributes["dramatiq.eta"], eta);
});

test("OpenTelemetry marks failures as errors, but not retries, snoozes or skips of actors", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  const throws: Record<string, () => unknown> = {
    failed: () => new TypeError("broken"),
    retried: () => new Retry("later", { delay: 1_000 }),
    snoozed: () => new Snooze(1_000),
    limited: () => new RateLimitExceeded("too many"),
    skipped: () => new SkipMessage("not today"),
  };
  for (const [outcome, make] of Object.entries(throws)) {
    let runs = 0;
    const x = actor(() => {
      if (++runs === 1) throw make();
    }, { broker, actorName: outcome, maxRetries: outcome === "retried" ? 1 : 0 });
    await x.send();
  }
  await settle(1_500);
  const first = traces.spans("process default").slice(0, 5);
  const ends = first.map(({ attributes, status, events }) => [
    attributes["dramatiq.actor"],
    attributes["dramatiq.outcome"],
    status.code === SpanStatusCode.ERROR,
    attributes["error.type"],
    events.length,
  ]);
  assertEquals(ends, [
    ["failed", "failed", true, "TypeError", 1],
    ["retried", "retried", false, undefined, 0],
    ["snoozed", "snoozed", false, undefined, 0],
    ["limited", "limited", false, undefined, 0],
    ["skipped", "skipped", false, undefined, 0],
  ]);
});

test("OpenTelemetry marks a cancelled attempt, which is no error", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  const started = Promise.withResolvers<void>();
  const x = actor(async () => {
    const signal = currentSignal();
    started.resolve();
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }, { broker, actorName: "x" });
  const message = await x.send();
  await started.promise;
  await message.cancel();
  await settle(1_000);
  const { attributes, status } = traces.span("process default");
  assertEquals([attributes["dramatiq.outcome"], status.code], ["cancelled", SpanStatusCode.UNSET]);
});

test("OpenTelemetry ends the span of an abandoned actor at once", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker, settle } = site;
  const end = Promise.withResolvers<void>();
  const x = actor(() => end.promise, {
    broker,
    actorName: "x",
    timeLimit: 1_000,
    maxRetries: 0,
  });
  await x.send();
  await settle(3_000);
  const { attributes, status } = traces.span("process default");
  assertEquals(
    [attributes["error.type"], attributes["dramatiq.abandoned"], status.code],
    ["TimeLimitExceeded", true, SpanStatusCode.ERROR],
  );
  end.resolve();
  await end.promise;
  assertEquals(traces.spans("process default").length, 1);
});

test("OpenTelemetry writes a span of a send that fails", async () => {
  const traces = new Traces();
  await using site = await open(traces);
  const { broker } = site;
  const x = actor((_n: number) => {}, { broker, actorName: "x" });
  const refusing = {
    beforeEnqueue() {
      throw new MiddlewareError("not now");
    },
  };
  broker.addMiddleware(refusing);
  await assertRejects(() => x.send(1), MiddlewareError);
  await assertRejects(() => x.sendMany([[1], [2]]), MiddlewareError);
  broker.removeMiddleware(refusing);
  const spans = traces.spans("send default");
  assertEquals(spans.map(({ status }) => status.message), ["not now", "not now"]);
  assertEquals(spans[0]!.attributes["error.type"], "MiddlewareError");
});

test("OpenTelemetry does not put messages into the trace in which a worker was started", async () => {
  const traces = new Traces();
  const tracer = traces.provider.getTracer("test");
  await tracer.startActiveSpan("boot", async (span) => {
    await using site = await open(traces);
    const { broker, settle } = site;
    const x = actor(() => {}, { broker, actorName: "x" });
    await context.with(trace.deleteSpan(context.active()), () => x.send());
    await settle();
    span.end();
  });
  assertEquals(traces.tree().toSorted(), [
    "  process default (consumer, send default)",
    "boot (internal)",
    "send default (producer)",
  ]);
});

test("OpenTelemetry passes on the context of a trace that is not sampled", async () => {
  const traces = new Traces({ sampler: new AlwaysOffSampler() });
  await using site = await open(traces);
  const { broker } = site;
  const x = actor(() => {}, { broker, actorName: "x" });
  const { traceCtx } = (await x.send()).options as { traceCtx: { traceparent: string } };
  assertEquals(traceCtx.traceparent.endsWith("-00"), true);
  assertEquals(traces.spans(), []);
});

test("OpenTelemetry adds attributes of the application, and logs what they throw", async () => {
  const traces = new Traces();
  await using site = await open(traces, {
    attributes(message) {
      if (message.option("tenant") === undefined) throw new Error("no tenant");
      return { tenant: String(message.option("tenant")) };
    },
  });
  const { broker, settle } = site;
  const x = actor(() => {}, { broker, actorName: "x" });
  await x.sendWithOptions({ tenant: "acme" });
  await settle();
  assertEquals(traces.spans().map(({ attributes }) => attributes["tenant"]), ["acme", "acme"]);
  const message = x.message();
  const lines = await linesOf({ category: ["dramatiq", "opentelemetry"] }, async () => {
    await broker.enqueue(message);
    await settle();
  });
  const text = `Failed to get more attributes of message ${message.messageId} of x, ` +
    "which affects no message: no tenant";
  assertEquals(lines.map(textOf), [text], "once a minute");
});

test("OpenTelemetry finds an SDK that is started after it was made", async () => {
  const traces = new Traces();
  const telemetry = new OpenTelemetry();
  const broker = new StubBroker({ middleware: [telemetry, ...defaultMiddleware()] });
  const x = actor(() => {}, { broker, actorName: "x" });
  const before = await x.send();
  assertEquals(before.options, {});
  trace.setGlobalTracerProvider(traces.provider);
  try {
    while (Date.now() === before.messageTimestamp);
    await x.send();
    assertEquals(traces.spans("send default").length, 1);
  } finally {
    trace.disable();
  }
  assertEquals((await x.send()).options, {});
});
