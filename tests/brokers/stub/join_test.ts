import { assertEquals, assertRejects, assertStrictEquals, assertStringIncludes } from "@std/assert";
import {
  actor,
  ActorNotFound,
  SkipMessage,
  StubBroker,
  type StubBrokerOptions,
  Worker,
} from "@dq/dramatiq";
import { work } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

const HOUR = 3_600_000;

/** A broker with an actor that throws what it is told to, and never retries. */
function failingBroker(options: StubBrokerOptions = {}) {
  const broker = new StubBroker(options);
  const fail = actor(function fail(text: string) {
    throw new RangeError(text);
  }, { broker, maxRetries: 0 });
  return { broker, fail };
}

// Reference: MessageProxy.stuff_exception
test("StubBroker.join throws the error of the first dead letter itself", async () => {
  const errors = [new Error("first"), new Error("second")];
  const broker = new StubBroker();
  const fail = actor((n: number) => Promise.reject(errors[n]), {
    broker,
    actorName: "fail",
    maxRetries: 0,
  });
  await fail.sendMany([[0], [1]]);
  await using worker = new Worker(broker, { concurrency: 1 });
  await worker.start();
  assertStrictEquals(await broker.join("default").catch((error) => error), errors[0]);
  await worker.join();
  assertStrictEquals(await broker.join("default").catch((error) => error), errors[0]);
});

test("StubBroker.join throws as soon as a message fails, whatever is still waiting", async () => {
  const { broker, fail } = failingBroker();
  await fail.sendWithOptions({ args: ["later"], delay: HOUR });
  await using worker = new Worker(broker);
  await worker.start();
  const joining = broker.join("default");
  await fail.send("now");
  await assertRejects(() => joining, RangeError, "now");
});

test("StubBroker.join does not throw the errors of other queues, nor of retried messages", async () => {
  const { broker, fail } = failingBroker();
  let runs = 0;
  const flaky = actor(function flaky() {
    runs += 1;
    if (runs === 1) throw new Error("once");
  }, { broker, queueName: "other", minBackoff: 1, maxBackoff: 1 });
  await fail.send("elsewhere");
  await flaky.send();
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("other");
  assertEquals(runs, 2);
  await assertRejects(() => broker.join("default"), RangeError, "elsewhere");
});

test("StubBroker.join throws that an actor is not declared, or data is no message", async () => {
  const broker = new StubBroker();
  broker.declareQueue("default");
  await broker.enqueue(work("default", 1));
  await using worker = new Worker(broker);
  await worker.start();
  await assertRejects(() => broker.join("default"), ActorNotFound, 'Cannot find actor "work"');
  assertStringIncludes(
    String(broker.allDeadLetters[0]!.deadLetter.options.traceback),
    "ActorNotFound",
  );
});

test("StubBroker.join throws that a message was past its age", async () => {
  const broker = new StubBroker();
  const old = actor(function old() {}, { broker, maxAge: 1 });
  await broker.enqueue(old.message().copy({ messageTimestamp: 0 }));
  await using worker = new Worker(broker);
  await worker.start();
  await assertRejects(() => broker.join("default"), SkipMessage, "is past its age limit of 1 ms");
});

test("StubBroker.join throws nothing for a dead letter without an error", async () => {
  const broker = new StubBroker();
  broker.addMiddleware({ beforeProcessMessage: (_broker, message) => message.fail() });
  await actor(function failed() {}, { broker }).send();
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  assertEquals(broker.allDeadLetters.length, 1);
});

// Reference: StubBroker.join
test("StubBroker.join takes failFast from the call, else from the constructor", async () => {
  for (const ofBroker of [undefined, true, false]) {
    const { broker, fail } = failingBroker(ofBroker === undefined ? {} : { failFast: ofBroker });
    await fail.send("boom");
    await using worker = new Worker(broker);
    await worker.start();
    await broker.join("default", { failFast: false });
    await assertRejects(() => broker.join("default", { failFast: true }), RangeError, "boom");
    if (ofBroker === false) await broker.join("default");
    else await assertRejects(() => broker.join("default"), RangeError, "boom");
  }
});

test("StubBroker.join throws nothing after a flush, which drops the dead letters", async () => {
  const { broker, fail } = failingBroker();
  await fail.send("boom");
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default", { failFast: false });
  await broker.flush("default");
  await broker.join("default");
  assertEquals(broker.allDeadLetters, []);
});
