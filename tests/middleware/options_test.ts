import { assertEquals, assertThrows } from "@std/assert";
import {
  actor,
  type ActorOptions,
  AgeLimit,
  AsyncIO,
  getEncoder,
  PickleEncoder,
  Results,
  Retries,
  setEncoder,
  StubBroker,
  StubResultBackend,
  TimeLimit,
  Worker,
} from "@dq/dramatiq";
import { withLog } from "../support/log.ts";
import { test } from "../support/test.ts";

/** Options that make no sense, and what the refusal says. */
const SENSELESS: [ActorOptions, typeof TypeError | typeof RangeError, string][] = [
  [{ maxAge: "x" as never }, TypeError, 'its maxAge must be a number above 0, not "x"'],
  [{ maxAge: NaN }, RangeError, "its maxAge must be a number above 0, not NaN"],
  [{ timeLimit: 0 }, RangeError, "its timeLimit must be a number above 0, not 0"],
  [{ timeLimit: -5 }, RangeError, "its timeLimit must be a number above 0, not -5"],
  [{ maxRetries: -1 }, RangeError, "its maxRetries must be a number 0 or more, not -1"],
  [{ maxRetries: "3" as never }, TypeError, 'its maxRetries must be a number 0 or more, not "3"'],
  [{ minBackoff: NaN }, RangeError, "its minBackoff must be a number 0 or more, not NaN"],
  [{ throws: "KeyError" as never }, TypeError, 'option throws must be an error class, not "Key'],
  [{ throws: [Error, 5] as never }, TypeError, "option throws must be an error class, not 5"],
  [{ retryWhen: 5 as never }, TypeError, "option retryWhen must be a function, not 5"],
  [{ retryWhen: 6n as never }, TypeError, "option retryWhen must be a function, not 6"],
  [{ maxAge: 5n as never }, TypeError, "its maxAge must be a number above 0, not 5"],
  [
    { snoozeWhenLimited: 1n as never },
    TypeError,
    "its snoozeWhenLimited must be true or false, no",
  ],
  [
    { notifyShutdown: "false" as never },
    TypeError,
    'its notifyShutdown must be true or false, not "false"',
  ],
  [{ pipeIgnore: 1 as never }, TypeError, "its pipeIgnore must be true or false, not 1"],
];

for (const [options, errorClass, text] of SENSELESS) {
  test(`actor refuses options that make no sense: ${text}`, () => {
    const broker = new StubBroker();
    const { message } = assertThrows(
      () => actor(function x() {}, { ...options, broker }),
      errorClass,
      text,
    );
    assertEquals(message.startsWith('Cannot declare actor "x": '), true);
    assertEquals([broker.actors.size, broker.queues.size], [0, 0]);
  });
}

/** Defaults of middleware, and what makes it. */
const DEFAULTS: Readonly<Record<string, (value: never) => unknown>> = {
  "AgeLimit: its maxAge": (maxAge) => new AgeLimit({ maxAge }),
  "AsyncIO: its threshold": (threshold) => new AsyncIO({ threshold }),
  "Retries: its maxRetries": (maxRetries) => new Retries({ maxRetries }),
  "Retries: its minBackoff": (minBackoff) => new Retries({ minBackoff }),
  "Retries: its maxBackoff": (maxBackoff) => new Retries({ maxBackoff }),
  "Retries: its retryWhen": (retryWhen) => new Retries({ retryWhen }),
  "TimeLimit: its timeLimit": (timeLimit) => new TimeLimit({ timeLimit }),
  "TimeLimit: its grace": (grace) => new TimeLimit({ grace }),
  "Results: its storeResults": (storeResults) =>
    new Results({ backend: new StubResultBackend(), storeResults }),
  "Results: its storeTracebacks": (storeTracebacks) =>
    new Results({ backend: new StubResultBackend(), storeTracebacks }),
};

for (const [what, make] of Object.entries(DEFAULTS)) {
  test(`${what} is refused where it is text, as from the environment, or another type`, () => {
    for (const [value, shown] of [["60000", '"60000"'], [5n, "5"], [[5], "[5]"]]) {
      const { message } = assertThrows(() => make(value as never), TypeError);
      const text = `Cannot create ${what} must be `;
      assertEquals(message.slice(0, text.length), text);
      assertEquals(message.endsWith(`, not ${shown}`), true, message);
    }
  });
}

test("Retries takes null as no limit, and as no retryWhen", () => {
  new Retries({ maxRetries: null, retryWhen: null as never });
});

test("actor takes options that are not set, and limits that are lifted", () => {
  const broker = new StubBroker();
  const options = { maxAge: null, timeLimit: Infinity, maxRetries: null, throws: [] };
  assertEquals(actor(function x() {}, { ...options, broker }).options, options);
});

test("actor names a BigInt that an option is refused for", () => {
  const broker = new StubBroker({
    middleware: [new Results({ backend: new StubResultBackend() })],
  });
  for (const name of ["queueName", "unique", "debounce", "storeResults"]) {
    const declare = () => actor(function x() {}, { [name]: 7n as never, broker });
    const { message } = assertThrows(declare, TypeError);
    assertEquals([message.startsWith("Cannot "), message.includes("7")], [true, true], message);
  }
});

test("Worker ignores a limit of a message that is a BigInt, as a pickle may hold", async () => {
  const encoder = getEncoder();
  setEncoder(new PickleEncoder());
  try {
    const broker = new StubBroker();
    let ran = 0;
    const work = actor(function work() {
      ran += 1;
    }, { broker });
    await using worker = new Worker(broker);
    await withLog({ category: ["dramatiq"], lowestLevel: "warning" }, async (lines) => {
      await worker.start();
      await work.sendWithOptions({ maxAge: 2n ** 70n as never });
      await broker.join("default");
      const shown = lines.map(({ properties: { option, value } }) => [option, value]);
      assertEquals([ran, shown], [1, [["maxAge", String(2n ** 70n)]]]);
    });
  } finally {
    setEncoder(encoder);
  }
});

test("Worker runs a message whose own limits make no sense as if it had none", async () => {
  const broker = new StubBroker();
  let ran = 0;
  const work = actor(function work() {
    ran += 1;
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  for (const value of ["x", {}, "NaN"]) {
    await work.sendWithOptions({ maxAge: value as never, timeLimit: value as never });
  }
  await broker.join("default");
  assertEquals(ran, 3);
});

test("Retries dead-letters a message whose own maxRetries is invalid, with the reason", async () => {
  const broker = new StubBroker({ failFast: false });
  const work = actor(function work() {
    throw new Error("nope");
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await work.sendWithOptions({ maxRetries: "3" as never });
  await broker.join("default");
  const { traceback } = broker.allDeadLetters[0]!.deadLetter.options;
  assertEquals(traceback?.includes('option maxRetries must be a number, not "3"'), true, traceback);
});
