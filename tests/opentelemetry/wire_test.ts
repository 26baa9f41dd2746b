import { readFile } from "node:fs/promises";
import { assertEquals, assertThrows } from "@std/assert";
import { type Context, context, propagation, trace } from "@opentelemetry/api";
import { actor, defaultMiddleware, Message, StubBroker, Worker } from "@dq/dramatiq";
import { OpenTelemetry, type OpenTelemetryOptions } from "@dq/dramatiq/opentelemetry";
import { traceIdOf } from "../../core/trace_context.ts";
import { after, test } from "../support/test.ts";
import type { MessageVectors } from "../support/vectors.ts";
import { startPropagation, stopAll, Traces } from "./fixture.ts";

after(stopAll);

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;

const file = new URL("../vectors/messages.json", import.meta.url);
const { cases } = JSON.parse(await readFile(file, "utf8")) as MessageVectors;

/** Text of a message as it is stored. */
async function stored(broker: StubBroker, text: string): Promise<string> {
  const message = Message.decode(text);
  broker.declareQueue(message.queueName);
  const sent = await broker.enqueue(message);
  return String(sent.encode());
}

/** A context with a span. */
function traced(): Context {
  const span = { traceId: TRACE, spanId: SPAN, traceFlags: 1 };
  return trace.setSpanContext(context.active(), span);
}

test("Messages are, byte for byte, those of Python where no SDK is set up and no trace goes on", async () => {
  const plain = cases.filter(({ input }) => !/\.[DX]Q$/.test(input.queue_name));
  assertEquals(plain.length > 20, true);
  for (const middleware of [[], [new OpenTelemetry()]]) {
    const broker = new StubBroker({ middleware });
    for (const { label, utf8 } of plain) assertEquals(await stored(broker, utf8), utf8, label);
  }
});

test("Messages of a trace also carry trace_ctx, even with only the API installed", async () => {
  startPropagation();
  const broker = new StubBroker({ middleware: [new OpenTelemetry()] });
  const { utf8 } = cases[0]!;
  const expected = utf8.replace(
    '"options":{}',
    `"options":{"trace_ctx":{"traceparent":"${TRACEPARENT}"}}`,
  );
  assertEquals(await context.with(traced(), () => stored(broker, utf8)), expected);
  assertEquals(expected.length - utf8.length, 85);
  assertEquals(await stored(broker, expected), expected, "it keeps the one that it has");
  const other = trace.setSpanContext(context.active(), {
    traceId: "1".repeat(32),
    spanId: "2".repeat(16),
    traceFlags: 1,
  });
  assertEquals(await context.with(other, () => stored(broker, expected)), expected);
});

/** Options of Python's instrumentations, in JSON. */
const CARRIERS: Readonly<Record<string, string>> = {
  "trace_ctx": `{"trace_ctx":{"traceparent":"${TRACEPARENT}","baggage":"tenant=acme"}}`,
  "trace_context": `{"trace_context":{"traceparent":"${TRACEPARENT}","baggage":"tenant=acme"}}`,
  "nested":
    `{"options":{"trace_context":{"traceparent":"${TRACEPARENT}","baggage":"tenant=acme"}}}`,
  "bare": `{"retries":0,"traceparent":"${TRACEPARENT}","baggage":"tenant=acme"}`,
  "an empty one first": `{"trace_ctx":{},"traceparent":"${TRACEPARENT}","baggage":"tenant=acme"}`,
};
/** Options that hold no trace. */
const NO_CARRIERS: readonly string[] = [
  `{}`,
  `{"trace_ctx":null}`,
  `{"trace_ctx":"${TRACEPARENT}"}`,
  `{"trace_ctx":["${TRACEPARENT}"]}`,
  `{"trace_ctx":{"traceparent":5}}`,
  `{"trace_ctx":{"traceparent":"00-${"0".repeat(32)}-${SPAN}-01"}}`,
  `{"trace_ctx":{"traceparent":"hello"}}`,
  `{"trace_ctx":{"__proto__":{"traceparent":"${TRACEPARENT}"}}}`,
  `{"options":null,"trace_context":5,"traceparent":{}}`,
];

/** Runs messages of Python with these options; gives what their actor saw. */
async function runAll(options: readonly string[], telemetry: OpenTelemetryOptions) {
  const middleware = [new OpenTelemetry(telemetry), ...defaultMiddleware()];
  const broker = new StubBroker({ middleware });
  const seen: unknown[] = [];
  const add = actor(() => {
    const tenant = propagation.getActiveBaggage()?.getEntry("tenant")?.value;
    seen.push([trace.getSpanContext(context.active())?.traceId, tenant]);
  }, { broker, actorName: "add" });
  const worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  for (const each of options) {
    const text = cases[0]!.utf8.replace('"options":{}', `"options":${each}`);
    await broker.enqueue(Message.decode(text));
    await broker.join(add.queueName);
  }
  await worker.stop();
  await broker.close();
  return seen;
}

test("A message of Python that carries a trace goes on with it, and with its baggage", async () => {
  startPropagation();
  const all = Object.values(CARRIERS);
  const expected = all.map(() => [TRACE, "acme"]);
  assertEquals(await runAll(all, {}), expected, "with the API alone");
  const traces = new Traces();
  assertEquals(await runAll(all, { tracerProvider: traces.provider }), expected);
  const spans = traces.spans("process default");
  assertEquals(
    spans.map(({ parentSpanContext }) => parentSpanContext?.spanId),
    all.map(() => SPAN),
  );
  assertEquals(traces.spans().length, all.length, "it has its span that sent it in Python");
  for (const text of all) {
    const message = Message.decode(cases[0]!.utf8.replace('"options":{}', `"options":${text}`));
    assertEquals([traceIdOf(message), traceIdOf(message.copy())], [TRACE, TRACE]);
  }
});

test("A message with an invalid trace starts a new one, and its actor runs", async () => {
  startPropagation();
  const traces = new Traces();
  const seen = await runAll(NO_CARRIERS, { tracerProvider: traces.provider });
  const ids = new Set(seen.map((one) => (one as [string])[0]));
  assertEquals([ids.size, ids.has(TRACE)], [NO_CARRIERS.length, false]);
  for (const text of NO_CARRIERS) {
    const message = Message.decode(cases[0]!.utf8.replace('"options":{}', `"options":${text}`));
    assertEquals(traceIdOf(message), undefined, text);
  }
});

test("A trace context with too long texts is ignored", async () => {
  startPropagation();
  const long = `tenant=acme,${"k=%ff,".repeat(1_400)}`;
  const carriers = [long, long.slice(0, 6_000)].map((baggage) =>
    JSON.stringify({ trace_ctx: { traceparent: TRACEPARENT, baggage } })
  );
  assertEquals(await runAll(carriers, {}), [[TRACE, undefined], [TRACE, "acme"]]);
});

test("OpenTelemetry refuses invalid options", () => {
  const odd: [Record<string, unknown>, string][] = [
    [{ relation: "child" }, 'Cannot relate spans by "child": relation must be "parent" or "link"'],
    [{ attributes: {} }, "Cannot use {} as attributes: it must be a function"],
    [{ provider: {} }, "Cannot create OpenTelemetry: it has no option provider"],
  ];
  for (const [options, text] of odd) {
    assertThrows(() => new OpenTelemetry(options as OpenTelemetryOptions), TypeError, text);
  }
});
