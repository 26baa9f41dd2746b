import { assertEquals, assertThrows } from "@std/assert";
import {
  context,
  type MeterProvider,
  propagation,
  ROOT_CONTEXT,
  type TextMapPropagator,
  type TracerProvider as Provider,
} from "@opentelemetry/api";
import { TracerProvider, type TracerProviderOptions } from "@opentelemetry/sdk-trace";
import {
  actor,
  defaultMiddleware,
  type Middleware,
  pipeline,
  SkipMessage,
  Snooze,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { OpenTelemetry, type OpenTelemetryOptions } from "@dq/dramatiq/opentelemetry";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { after, test } from "../support/test.ts";
import { startPropagation, stopAll, Traces } from "./fixture.ts";

startPropagation();
after(stopAll);

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

function broken(): never {
  throw new Error("broken SDK");
}

const rejecting = () => Promise.reject(new Error("broken SDK"));

/** A provider of the SDK with a processor of which a part is broken. */
function tracer(processor: object, options: TracerProviderOptions = {}): OpenTelemetryOptions {
  const done = () => Promise.resolve();
  const rest = { onStart() {}, onEnd() {}, forceFlush: done, shutdown: done };
  const spanProcessors = [{ ...rest, ...processor }];
  return { tracerProvider: new TracerProvider({ spanProcessors, ...options }) };
}

/** A provider whose tracer makes something else than spans. */
function spans(startSpan: () => unknown): OpenTelemetryOptions {
  return { tracerProvider: { getTracer: () => ({ startSpan }) } as unknown as Provider };
}

function meter(createCounter: () => unknown, createHistogram: () => unknown): OpenTelemetryOptions {
  const getMeter = () => ({ createCounter, createHistogram });
  return { meterProvider: { getMeter } as unknown as MeterProvider };
}

const idle = () => ({ add() {}, record() {} });
const sdk = () => ({ tracerProvider: new Traces().provider });

/** SDKs and options that are broken. */
const BROKEN: Readonly<Record<string, () => OpenTelemetryOptions>> = {
  "the end of a span": () => tracer({ onEnd: broken }),
  "the start of a span": () => tracer({ onStart: broken }),
  "the sampler": () => tracer({}, { sampler: { shouldSample: broken, toString: () => "" } }),
  "the provider of tracers": () => ({ tracerProvider: { getTracer: broken } }),
  "a tracer that makes nothing": () => spans(() => undefined),
  "a tracer that makes numbers": () => spans(() => 5),
  "a tracer that makes promises": () => spans(rejecting),
  "the provider of meters": () => ({ meterProvider: { getMeter: broken } }),
  "the making of counters": () => meter(broken, idle),
  "no counters": () => meter(() => undefined, () => undefined),
  "counters and histograms": () => meter(() => ({ add: broken }), () => ({ record: broken })),
  "counters that are asynchronous": () => meter(() => ({ add: rejecting }), idle),
  "attributes": () => ({ ...sdk(), attributes: broken }),
  "the value of an attribute": () => ({
    ...sdk(),
    attributes: () => ({
      get tenant() {
        return broken();
      },
    }),
  }),
  "asynchronous attributes": () => ({ ...sdk(), attributes: rejecting as never }),
};

type Carrier = Record<string, unknown>;
const read: TextMapPropagator["extract"] = (context) => context;
const write = (_context: unknown, carrier: Carrier) => void (carrier["traceparent"] = TRACEPARENT);

/** Propagators that are broken, by what they read and write. */
const PROPAGATORS: Readonly<Record<string, [inject: unknown, extract: unknown]>> = {
  "writing": [broken, read],
  "asynchronous writing": [rejecting, read],
  "writing of a number": [(_: unknown, carrier: Carrier) => void (carrier["a"] = 5n), read],
  "writing of a circle": [(_: unknown, carrier: Carrier) => void (carrier["a"] = carrier), read],
  "writing of nothing": [(_: unknown, carrier: Carrier) => void (carrier["a"] = undefined), read],
  "writing of what throws": [
    (_: unknown, carrier: Carrier) =>
      void Object.defineProperty(carrier, "a", { get: broken, enumerable: true }),
    read,
  ],
  "reading": [write, broken],
  "reading that gives nothing": [write, () => undefined],
  "reading that gives a number": [write, () => 5],
};

function propagate([inject, extract]: readonly [unknown, unknown]): void {
  propagation.disable();
  const propagator = { inject, extract, fields: () => [] };
  propagation.setGlobalPropagator(propagator as unknown as TextMapPropagator);
}

/** Outcomes of messages of all kinds. */
async function fates(telemetry: readonly Middleware[]): Promise<object> {
  const clock = new FakeClock();
  const middleware = [...telemetry, ...defaultMiddleware()];
  await using broker = new StubBroker({ clock, middleware, failFast: false });
  const runs: string[] = [];
  const run = (name: string) => {
    runs.push(name);
    return runs.filter((one) => one === name).length;
  };
  const retry = { minBackoff: 500, maxBackoff: 500 };
  const once = (actorName: string, error: () => Error, maxRetries: number) =>
    actor(() => {
      if (run(actorName) === 1) throw error();
    }, { broker, actorName, maxRetries, ...retry });
  const x = actor((_n: number) => run("x"), { broker, actorName: "x", ...retry });
  const y = actor((_n: number) => void run("y"), { broker, actorName: "y", ...retry });
  const others = [
    once("retried", () => new Error("no"), 1),
    once("dies", () => new Error("no"), 0),
    once("snoozed", () => new Snooze(500), 0),
    once("skipped", () => new SkipMessage("not today"), 0),
  ];
  await using worker = new Worker(broker);
  await worker.start();
  const sent = [await x.send(1), ...await x.sendMany([[2], [3]])];
  sent.push(await x.sendWithOptions({ args: [4], traceCtx: { traceparent: TRACEPARENT } }));
  for (const other of others) await other.send();
  await pipeline([x.message(5), y.message()], { broker }).run();
  for (let i = 0; i < 4; i++) await clock.advance(500);
  await broker.join("default");
  await worker.join();
  const dead: unknown[] = [];
  for await (const { message } of broker.deadLetters("default")) dead.push(message?.actorName);
  return { sent: sent.map(({ args }) => args), runs: runs.toSorted(), dead };
}

const expected = {
  sent: [[1], [2], [3], [4]],
  runs: ["dies", "retried", "retried", "skipped", "snoozed", "snoozed", "x", "x", "x", "x", "x"]
    .concat("y"),
  dead: ["dies"],
};

// The first here: of a kind, a line a minute is logged.
test("OpenTelemetry logs once that an SDK is broken, not with each message", async () => {
  const broker = new StubBroker({ middleware: [new OpenTelemetry(tracer({ onEnd: broken }))] });
  const x = actor(() => {}, { broker, actorName: "x" });
  const lines = await linesOf({ category: ["dramatiq", "opentelemetry"] }, async () => {
    for (let i = 0; i < 3; i++) await x.send();
  });
  const text = "Failed to end a span, which affects no message: broken SDK";
  assertEquals(lines.map(textOf), [text]);
});

test("OpenTelemetry never affects a message, whatever an SDK throws", async () => {
  assertEquals(await fates([]), expected, "without it");
  for (const [name, options] of Object.entries(BROKEN)) {
    assertEquals(await fates([new OpenTelemetry(options())]), expected, name);
  }
});

test("OpenTelemetry never affects a message, whatever a propagator does", async () => {
  try {
    for (const [name, parts] of Object.entries(PROPAGATORS)) {
      propagate(parts);
      assertEquals(await fates([new OpenTelemetry(sdk())]), expected, name);
      assertEquals(await fates([new OpenTelemetry()]), expected, `${name}, with the API alone`);
    }
  } finally {
    propagation.disable();
    startPropagation();
  }
});

test("OpenTelemetry never affects a message, whatever a context manager does", async () => {
  const parts = { active: () => ROOT_CONTEXT, with: (_: unknown, call: () => unknown) => call() };
  const managers = {
    "it throws before": { ...parts, with: broken },
    "it throws after": {
      ...parts,
      with(_: unknown, call: () => unknown) {
        call();
        broken();
      },
    },
    "it calls twice": {
      ...parts,
      with(_: unknown, call: () => unknown) {
        call();
        return call();
      },
    },
    "it has no active one": { ...parts, active: broken },
  };
  try {
    for (const [name, manager] of Object.entries(managers)) {
      context.disable();
      const rest = { bind: (_: unknown, one: unknown) => one, enable() {}, disable() {} };
      context.setGlobalContextManager({ ...rest, ...manager } as never);
      assertEquals(await fates([new OpenTelemetry(sdk())]), expected, name);
    }
  } finally {
    context.disable();
    startPropagation();
  }
});

test("OpenTelemetry stores only texts of a propagator in messages", async () => {
  try {
    const values = { traceparent: TRACEPARENT, a: 5n, b: undefined, c: {}, d: 5 };
    propagate([(_: unknown, carrier: Carrier) => void Object.assign(carrier, values), read]);
    const broker = new StubBroker({ middleware: [new OpenTelemetry(sdk())] });
    const x = actor(() => {}, { broker, actorName: "x" });
    assertEquals((await x.send()).options["traceCtx"], { traceparent: TRACEPARENT });
  } finally {
    propagation.disable();
    startPropagation();
  }
});

test("OpenTelemetry refuses values that are not providers", () => {
  const odd: [Record<string, unknown>, string][] = [
    [{ tracerProvider: 5 }, "Cannot use 5 as tracerProvider: it must have a method getTracer"],
    [{ tracerProvider: null }, "Cannot use null as tracerProvider: it must"],
    [
      { meterProvider: {} },
      "Cannot use a value of Object as meterProvider: it must have a method getMeter",
    ],
  ];
  for (const [options, text] of odd) {
    assertThrows(() => new OpenTelemetry(options as OpenTelemetryOptions), TypeError, text);
  }
});
