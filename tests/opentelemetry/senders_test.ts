import { assertEquals } from "@std/assert";
import type { TracerProvider } from "@opentelemetry/api";
import {
  actor,
  type Broker,
  defaultMiddleware,
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
  assertEquals(traces.tree(), [
    "send default (producer)",
    "  process default (consumer, send default)",
  ]);
  assertEquals(await sentBy(meters), [1]);
});

test("OpenTelemetry records no send where another worker has sent the message of a schedule", async () => {
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
  assertEquals([traces.spans().length, await sentBy(meters)], [0, []]);
  broker.applied = true;
  assertEquals((await enqueueWith()).applied, true);
  assertEquals([traces.spans().length, await sentBy(meters)], [1, [1]]);
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
});

test("OpenTelemetry makes no send of the retry of a message that carries no trace", async () => {
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

test("OpenTelemetry uses an SDK that stands behind the proxy of another copy of the API", async () => {
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
