import type { LogRecord } from "@logtape/logtape";
import { assert, assertEquals } from "@std/assert";
import {
  actor,
  currentSignal,
  Message,
  type Middleware,
  pipeline,
  RateLimitExceeded,
  Results,
  Retries,
  Retry,
  StubBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";
import { untilAborted } from "../support/aborted.ts";
import { linesOf, textOf, withoutLogTape } from "../support/log.ts";
import { test } from "../support/test.ts";

class NotFound extends Error {}
class Gone extends NotFound {}

/** Lines of a level, as people read them. */
function textsOf(lines: readonly LogRecord[], level: LogRecord["level"]): string[] {
  return lines.filter((line) => line.level === level).map(textOf);
}

/** Log lines while messages that were sent before are worked on. */
async function linesOfWork(
  broker: StubBroker,
  send: () => Promise<unknown>,
): Promise<readonly LogRecord[]> {
  return await linesOf({ category: ["dramatiq"] }, async () => {
    await send();
    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await broker.join("default");
  });
}

for (const throws of [NotFound, [RangeError, NotFound]]) {
  const how = Array.isArray(throws) ? "among others" : "alone";
  test(`Worker logs an error that throws names ${how} at level info, others as errors`, async () => {
    const broker = new StubBroker({ failFast: false });
    const find = actor(function find(how: string) {
      throw how === "expected" ? new Gone("not there") : new TypeError("a defect");
    }, { broker, throws, maxRetries: 0 });
    const expected = await linesOfWork(broker, () => find.send("expected"));
    assertEquals([textsOf(expected, "error"), textsOf(expected, "warning")], [[], []]);
    const lines = textsOf(expected, "info").filter((text) => text.includes("not there"));
    assertEquals(lines.length, 2); // that it failed, and that it is not retried
    const defect = await linesOfWork(broker, () => find.send("unexpected"));
    assertEquals(textsOf(defect, "error").length, 1);
    assertEquals(broker.allDeadLetters.length, 2);
  });
}

test("Worker logs a planned failure at level info", async () => {
  const broker = new StubBroker({ failFast: false });
  const planned = actor(function planned(how: string) {
    throw how === "retry" ? new Retry("later") : new RateLimitExceeded("full");
  }, { broker, maxRetries: 0 });
  for (const how of ["retry", "limit"]) {
    const lines = await linesOfWork(broker, () => planned.send(how));
    assertEquals(textsOf(lines, "error"), []);
  }
});

const UNSTORED =
  "Actor compute returns results that are not stored: the broker has no Results middleware";

test("Worker warns once of an actor that returns something where there is no Results", async () => {
  const broker = new StubBroker();
  const compute = actor(() => 1, { broker, actorName: "compute" });
  const send = () => compute.sendMany([[], [], []]);
  assertEquals(textsOf(await linesOfWork(broker, send), "warning"), [UNSTORED]);
  assertEquals(textsOf(await linesOfWork(broker, send), "warning"), []);
});

test("Worker does not warn of a result that is none, or that goes elsewhere", async () => {
  const broker = new StubBroker();
  const nothing = actor(() => {}, { broker, actorName: "nothing" });
  const none = actor(() => null, { broker, actorName: "none" });
  const take = actor((_value: unknown) => {}, { broker, actorName: "take" });
  const told = actor((_message: unknown, _result: unknown) => {}, { broker, actorName: "told" });
  const compute = actor(() => 1, { broker, actorName: "compute" });
  const elsewhere = await linesOfWork(broker, async () => {
    await nothing.send();
    await none.send();
    await pipeline([compute.message(), take.message()], { broker }).run();
    await compute.sendWithOptions({ onSuccess: told });
  });
  assertEquals(textsOf(elsewhere, "warning"), []);
  // What was not lost was no reason to look no further.
  const lost = await linesOfWork(broker, () => compute.send());
  assertEquals(textsOf(lost, "warning"), [UNSTORED]);
});

test("Worker leaves the warning of a lost result to Results where that is", async () => {
  const broker = new StubBroker();
  broker.addMiddleware(new Results({ backend: new StubResultBackend() }));
  const compute = actor(() => 1, { broker, actorName: "compute" });
  const kept = actor(() => 1, { broker, actorName: "kept", storeResults: true });
  const lines = await linesOfWork(broker, async () => {
    await kept.send();
    await compute.sendMany([[], []]);
  });
  assertEquals(textsOf(lines, "warning"), [
    "Actor compute returns results that are not stored: its storeResults is not set",
  ]);
});

test("Broker warns of a middleware that is there twice", async () => {
  const category = ["dramatiq", "middleware"];
  class Mine implements Middleware {}
  const twice = (name: string) =>
    `Middleware ${name} was added twice, and each of its hooks will run twice: remove one`;
  const inConstructor = await linesOf({ category }, () => {
    new StubBroker({ middleware: [new Mine(), new Retries(), new Mine(), {}, {}] });
  });
  assertEquals(textsOf(inConstructor, "warning"), [twice("Mine")]);
  const added = await linesOf({ category }, () => {
    const broker = new StubBroker();
    broker.addMiddleware(new Mine());
    broker.addMiddleware(new Retries({ maxRetries: 1 }), { before: Retries });
    broker.addMiddleware({ afterAck: () => {} });
    broker.addMiddleware({ afterAck: () => {} });
  });
  assertEquals(textsOf(added, "warning"), [twice("Retries")]);
});

test("Broker does not warn of middleware that takes the place of another", async () => {
  const lines = await linesOf({ category: ["dramatiq"] }, () => {
    const broker = new StubBroker();
    const before = broker.middleware.find((one) => one instanceof Retries)!;
    broker.removeMiddleware(before);
    broker.addMiddleware(new Retries({ maxRetries: 1 }));
  });
  assertEquals(lines, []);
});

test("ShutdownNotifications logs a line for each message that it tells", async () => {
  const broker = new StubBroker({ failFast: false });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  let count = 0;
  const until = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  const patient = actor(async function patient() {
    if (++count === 2) begin();
    await until(currentSignal());
  }, { broker, notifyShutdown: true });
  const quick = actor(function quick() {}, { broker });
  const category = ["dramatiq", "middleware", "ShutdownNotifications"];
  const sent: string[] = [];
  const lines = await linesOf({ category }, async () => {
    await quick.send();
    for (const { messageId } of await patient.sendMany([[], []])) sent.push(messageId);
    const worker = new Worker(broker);
    await worker.start();
    await begun;
    await worker.stop();
  });
  assertEquals(
    textsOf(lines, "info"),
    sent.map((id) => `Interrupting message ${id} of patient: the worker is shutting down`),
  );
});

test("A message that a stopping worker interrupts, to be retried, is no error", async () => {
  const broker = new StubBroker({ failFast: false });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const polite = actor(async function polite() {
    begin();
    await untilAborted();
  }, { broker, notifyShutdown: true, minBackoff: 60_000 });
  const lines = await linesOf({ category: ["dramatiq"] }, async () => {
    await polite.send();
    const worker = new Worker(broker);
    await worker.start();
    await begun;
    await worker.stop();
  });
  assertEquals([...textsOf(lines, "error"), ...textsOf(lines, "warning")], []);
  assertEquals(textsOf(lines, "info").some((text) => /polite failed: /.test(text)), true);
});

test("Worker warns of each queue that it consumes and that has no actor, and of no other", async () => {
  const broker = new StubBroker();
  broker.declareQueue("python");
  actor(() => {}, { broker, actorName: "first", queueName: "ours" });
  const lines = await linesOf({ category: ["dramatiq"] }, async () => {
    await using worker = new Worker(broker);
    await worker.start();
    actor(() => {}, { broker, actorName: "second", queueName: "later" });
    broker.declareQueue("more");
    await broker.enqueue(new Message({ queueName: "ours", actorName: "first", args: [] }));
    await broker.join("ours");
  });
  const warnings = textsOf(lines, "warning");
  assertEquals(warnings.map((text) => text.split(", which")[0]), [
    "Consuming python",
    "Consuming more",
  ]);
});

test("Worker does not warn of queues that it does not consume", async () => {
  const broker = new StubBroker();
  broker.declareQueue("python");
  actor(() => {}, { broker, actorName: "first", queueName: "ours" });
  const lines = await linesOf({ category: ["dramatiq"] }, async () => {
    await using worker = new Worker(broker, { queues: ["ours"] });
    await worker.start();
    await broker.enqueue(new Message({ queueName: "ours", actorName: "first", args: [] }));
    await broker.join("ours");
  });
  assertEquals(textsOf(lines, "warning"), []);
});

test("Worker prints its first error and warning if the program has not configured LogTape, and no others", async () => {
  const printed: string[] = [];
  const { error } = console;
  const run = async () => {
    const broker = new StubBroker({ failFast: false });
    const fail = actor(function fail() {
      throw new TypeError(`a \x1b[1m defect${" x".repeat(5_000)}`);
    }, { broker, maxRetries: 0 });
    await fail.send();
    await fail.send();
    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await broker.join("default");
  };
  console.error = (text: string) => void printed.push(text);
  try {
    await linesOf({ category: ["elsewhere"] }, run);
    assertEquals(printed, []); // it logs, but not this library
    await withoutLogTape(run);
  } finally {
    console.error = error;
  }
  const hint = " (configure LogTape to see further records)";
  const beginnings = printed.map((text) => text.replace(/ \w{8}-\S+ /, " ").split(" x x")[0]);
  assertEquals(beginnings, [
    "dramatiq: Message of fail failed: a \\x1b[1m defect",
    "dramatiq: Gave up message of fail after 0 retries: a \\x1b[1m defect",
  ]);
  assert(printed.every((text) => text.endsWith(hint) && text.length < 1_200), "each is short");
});
