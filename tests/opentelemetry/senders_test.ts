import { assertEquals } from "@std/assert";
import { context, ROOT_CONTEXT, trace, type TracerProvider } from "@opentelemetry/api";
import {
  actor,
  type Broker,
  defaultMiddleware,
  Message,
  type Middleware,
  SqliteBroker,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { OpenTelemetry } from "@dq/dramatiq/opentelemetry";
import { FakeClock } from "../support/fake_clock.ts";
import { after, test } from "../support/test.ts";
import { Meters, startPropagation, stopAll, Traces } from "./fixture.ts";

startPropagation();
after(stopAll);

/** Trace context of a message. */
interface Carrier {
  readonly traceparent: string;
}

/** Middleware with what is recorded by it. */
function recorded(traces: Traces, meters: Meters = new Meters()) {
  const options = { tracerProvider: traces.provider, meterProvider: meters.provider };
  return [new OpenTelemetry(options), ...defaultMiddleware()];
}

async function sentBy(meters: Meters): Promise<number[]> {
  return (await meters.points("messaging.client.sent.messages")).map(([count]) => count);
}

test("OpenTelemetry makes a span of a send in a transaction, whose message carries it", async () => {
  const traces = new Traces();
  await using broker = new SqliteBroker({ path: ":memory:", middleware: recorded(traces) });
  const x = actor(() => {}, { broker, actorName: "x" });
  const sent = await broker.transaction((tx) => tx.enqueue(x.message()));
  const { traceId, spanId } = traces.span("send default").spanContext();
  const traceparent = `00-${traceId}-${spanId}-01`;
  assertEquals(sent.option("traceCtx"), { traceparent });
});

test("OpenTelemetry records one send for a tick of a schedule, whichever worker is first", async () => {
  const traces = new Traces();
  const meters = new Meters();
  const clock = new FakeClock();
  const middleware = recorded(traces, meters);
  await using broker = new SqliteBroker({ path: ":memory:", clock, middleware });
  const ran: number[] = [];
  actor(() => void ran.push(clock.now()), { broker, actorName: "x", every: { interval: 60_000 } });
  const workers = [new Worker(broker), new Worker(broker)];
  await Promise.all(workers.map((worker) => worker.start()));
  for (let i = 0; i < 130; i++) await clock.advance(500);
  await broker.join("default");
  await Promise.all(workers.map((worker) => worker.stop()));
  assertEquals(ran.length, 1);
  const lost = traces.tree().filter((line) => line === "send default (producer)").length - 1;
  assertEquals(traces.tree().filter((line) => /process/.test(line)), [
    "  process default (consumer, send default)",
  ]);
  const marked = traces.spans().filter(({ attributes }) => attributes["dramatiq.duplicate"]);
  assertEquals(marked.length, lost);
  assertEquals(await sentBy(meters), [1]);
});

test("OpenTelemetry ends the span of a tick that another worker has sent, and does not count it", async () => {
  const traces = new Traces();
  const meters = new Meters();
  class Losing extends StubBroker {
    override readonly storesWithChanges = true;
    applied = false;
    protected override storeWith() {
      return Promise.resolve({ applied: this.applied, found: [], now: 0 } as never);
    }
  }
  const broker = new Losing({ middleware: recorded(traces, meters) });
  const x = actor(() => {}, { broker, actorName: "x" });
  const enqueueWith = () => (broker as Broker).enqueueWith(x.message(), [], {});
  assertEquals((await enqueueWith()).applied, false);
  const marks = () => traces.spans().map(({ attributes }) => attributes["dramatiq.duplicate"]);
  assertEquals([marks(), await sentBy(meters)], [[true], []]);
  broker.applied = true;
  assertEquals((await enqueueWith()).applied, true);
  assertEquals([marks(), await sentBy(meters)], [[true, undefined], [1]]);
});

test("OpenTelemetry marks the send of a duplicate, which does not count as sent", async () => {
  const traces = new Traces();
  const meters = new Meters();
  await using broker = new StubBroker({ middleware: recorded(traces, meters) });
  const x = actor(() => {}, { broker, actorName: "x", unique: true });
  await x.send();
  await x.send();
  const marks = traces.spans("send default").map(({ attributes }) =>
    attributes["dramatiq.duplicate"]
  );
  assertEquals(marks, [undefined, true]);
  assertEquals(await sentBy(meters), [1]);
  const batch = await broker.enqueueMany([x.message(), x.message()]);
  assertEquals(batch.map(({ isDuplicate }) => isDuplicate), [true, true]);
  assertEquals(traces.spans("send default").at(-1)!.attributes["dramatiq.duplicate"], true);
  const y = actor(() => {}, { broker, actorName: "y" });
  await broker.enqueueMany([x.message(), y.message(), y.message()]);
  assertEquals(traces.spans("send default").at(-1)!.attributes["dramatiq.duplicate"], undefined);
  assertEquals(await sentBy(meters), [1, 2]);
});

test("OpenTelemetry puts the messages of a schedule into traces of their own", async () => {
  const traces = new Traces();
  const clock = new FakeClock();
  const middleware = recorded(traces);
  const broker = new StubBroker({ clock, middleware });
  actor(() => {}, { broker, actorName: "x", every: { interval: 60_000 } });
  const worker = new Worker(broker);
  const tracer = traces.provider.getTracer("test");
  await tracer.startActiveSpan("start-worker", async (span) => {
    await worker.start();
    for (let i = 0; i < 250; i++) await clock.advance(500);
    span.end();
  });
  await broker.join("default");
  await worker.stop();
  await broker.close();
  const sends = traces.spans("send default");
  assertEquals(sends.length, 2);
  assertEquals(sends.map(({ parentSpanContext }) => parentSpanContext), [undefined, undefined]);
  const ids = new Set(traces.spans().map((span) => span.spanContext().traceId));
  assertEquals(ids.size, 3, "the start of the worker, and two ticks");
});

test("OpenTelemetry runs actors outside of the context in which a worker was started, without an SDK too", async () => {
  const broker = new StubBroker({ middleware: [new OpenTelemetry(), ...defaultMiddleware()] });
  const seen: unknown[] = [];
  const inner = actor(() => void seen.push(context.active() === ROOT_CONTEXT), {
    broker,
    actorName: "inner",
  });
  const outer = actor(async () => void seen.push((await inner.send()).options), {
    broker,
    actorName: "outer",
  });
  await outer.send();
  const worker = new Worker(broker);
  const span = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 };
  await context.with(trace.setSpanContext(ROOT_CONTEXT, span), () => worker.start());
  await broker.join("default");
  await worker.stop();
  await broker.close();
  assertEquals(seen, [{}, true]);
});

/** Holds sends until there are two, and then goes on with both at once. */
function gathering(): Middleware {
  const held: (() => void)[] = [];
  return {
    async wrapEnqueue(_broker, _messages, _cause, next) {
      await new Promise<void>((resolve) => {
        held.push(resolve);
        if (held.length === 2) { for (const each of held.splice(0)) each(); }
      });
      return await next();
    },
  };
}

test("OpenTelemetry gives each message its own trace where other middleware sends it later", async () => {
  const traces = new Traces();
  const [telemetry] = recorded(traces);
  const renaming: Middleware = {
    prepareMessage: (_broker, message) => message.copy({ options: { tenant: "acme" } }),
  };
  const tracer = traces.provider.getTracer("test");
  const sendIn = (name: string, send: () => Promise<unknown>) =>
    tracer.startActiveSpan(name, async (span) => {
      await send();
      span.end();
    });
  const trees = ["A", "B"].map((name) => [`${name} (internal)`, "  send default (producer)"]);
  for (const hasContexts of [true, false]) {
    if (!hasContexts) context.disable();
    traces.exporter.reset();
    const broker = new StubBroker({ middleware: [renaming, telemetry!, gathering()] });
    const x = actor((_n: number) => {}, { broker, actorName: "x" });
    const sent: Message[] = [];
    await Promise.all([
      sendIn("A", async () => sent.push(await x.send(1))),
      sendIn("B", async () => sent.push(...await x.sendMany([[2], [3]]))),
    ]);
    const sends = traces.spans("send default").map((span) => span.spanContext().spanId);
    assertEquals(sends.length, 2);
    const carried = sent.map((one) =>
      (one.options["traceCtx"] as Carrier).traceparent.slice(36, 52)
    );
    const single = traces.spans().find((span) => "messaging.message.id" in span.attributes)!;
    const batch = sends.find((id) => id !== single.spanContext().spanId);
    const byArgs = sent.map(({ args }) => args[0] === 1 ? single.spanContext().spanId : batch);
    assertEquals(carried, byArgs as string[]);
    if (hasContexts) assertEquals(traces.tree().toSorted(), trees.flat().toSorted());
  }
  startPropagation();
});

test("OpenTelemetry notices an SDK that is registered late, whatever the timestamps of messages", async () => {
  for (const messageTimestamp of [1_000, -1, NaN]) {
    const traces = new Traces();
    const broker = new StubBroker({ middleware: [new OpenTelemetry()] });
    const x = actor(() => {}, { broker, actorName: "x" });
    const send = async () => {
      const { queueName, actorName, args } = x.message();
      await broker.enqueue(new Message({ queueName, actorName, args, messageTimestamp }));
    };
    if (messageTimestamp > 0) await send();
    trace.setGlobalTracerProvider(traces.provider);
    try {
      for (let i = 0; i < 20; i++) await send();
      const count = traces.spans().length;
      assertEquals(messageTimestamp > 0 ? count > 0 : count === 20, true, `${messageTimestamp}`);
    } finally {
      trace.disable();
    }
  }
});

test("OpenTelemetry makes no send span for the retry of a message without a trace", async () => {
  const traces = new Traces();
  const meters = new Meters();
  const clock = new FakeClock();
  const [telemetry, ...others] = recorded(traces, meters);
  await using broker = new StubBroker({ clock, middleware: others });
  let runs = 0;
  const x = actor(() => {
    if (++runs === 1) throw new Error("no");
  }, { broker, actorName: "x", minBackoff: 1_000, maxBackoff: 1_000 });
  await x.send(); // by a program without the middleware
  broker.addMiddleware(telemetry!);
  await using worker = new Worker(broker);
  await worker.start();
  for (let i = 0; i < 3; i++) await clock.advance(500);
  await broker.join("default");
  await worker.join();
  assertEquals(traces.tree(), ["process default (consumer)", "process default (consumer)"]);
  assertEquals(await sentBy(meters), []);
});

test("OpenTelemetry uses an SDK behind the proxy of another copy of the API", async () => {
  const traces = new Traces();
  const flushed: string[] = [];
  let isSetUp = false;
  const sdk = Object.assign(Object.create(traces.provider) as typeof traces.provider, {
    forceFlush: () => Promise.resolve(void flushed.push("traces")),
  });
  const proxy = {
    getTracer: () => {
      throw new Error("its tracer records nothing");
    },
    getDelegate: () => sdk,
    getDelegateTracer: () => isSetUp ? sdk.getTracer("test") : undefined,
  } as unknown as TracerProvider;
  const middleware = [new OpenTelemetry({ tracerProvider: proxy }), ...defaultMiddleware()];
  await using broker = new StubBroker({ middleware });
  const x = actor(() => {}, { broker, actorName: "x" });
  const { messageTimestamp } = await x.send();
  isSetUp = true;
  while (Date.now() === messageTimestamp);
  await x.send();
  assertEquals(traces.spans("send default").length, 1);
  const worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  await worker.stop();
  assertEquals(flushed.length > 0, true);
});
