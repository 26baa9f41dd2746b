import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  actor,
  ActorNotFound,
  AgeLimit,
  brokerFromUrl,
  Callbacks,
  getBroker,
  MessageProxy,
  type Middleware,
  MiddlewareError,
  Retries,
  setBroker,
  StubBroker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";

test("Broker has the default middleware in dramatiq's order", () => {
  const names = new StubBroker().middleware.map((one) => one.constructor.name);
  assertEquals(names, [
    "AgeLimit",
    "TimeLimit",
    "ShutdownNotifications",
    "Callbacks",
    "Pipelines",
    "Retries",
  ]);
});

// Reference: Broker.add_middleware
test("Broker.addMiddleware puts one at the end, before or after another", () => {
  class One implements Middleware {}
  class Two implements Middleware {}
  class Three implements Middleware {}
  const broker = new StubBroker({ middleware: [new AgeLimit(), new Retries()] });
  broker.addMiddleware(new One());
  broker.addMiddleware(new Two(), { before: Retries });
  broker.addMiddleware(new Three(), { after: AgeLimit });
  const names = broker.middleware.map((one) => one.constructor.name);
  assertEquals(names, ["AgeLimit", "Three", "Two", "Retries", "One"]);
});

test("Broker.addMiddleware refuses a place that is not there, or two", () => {
  const broker = new StubBroker({ middleware: [new Retries()] });
  assertThrows(
    () => broker.addMiddleware({}, { before: AgeLimit }),
    TypeError,
    "Cannot add middleware next to AgeLimit: the broker has none of that class",
  );
  assertThrows(
    () => broker.addMiddleware({}, { before: Retries, after: Retries }),
    TypeError,
    "both before and after",
  );
  assertEquals(broker.middleware.length, 1);
});

// Reference: Middleware.actor_options
test("Broker.addMiddleware makes its actor options known, removeMiddleware forgets them", () => {
  const broker = new StubBroker({ middleware: [] });
  const tenants: Middleware = { actorOptions: ["tenant"] };
  assertThrows(() => actor(function early() {}, { broker, tenant: "acme" }), TypeError, "tenant");
  broker.addMiddleware(tenants);
  assertEquals(actor(function x() {}, { broker, tenant: "acme" }).options["tenant"], "acme");
  broker.removeMiddleware(tenants);
  assertThrows(() => actor(function late() {}, { broker, tenant: "acme" }), TypeError, "tenant");
});

test("Broker.getOption looks at the message, then the actor, then the fallback", () => {
  const broker = new StubBroker();
  const set = actor(function set() {}, { broker, maxRetries: 5, notifyShutdown: false });
  const unset = actor(function unset() {}, { broker, maxAge: null });
  const own = (options: Record<string, unknown>) =>
    set.messageWithOptions({ args: [], ...options });
  assertEquals(broker.getOption(own({ maxRetries: 1 }), "maxRetries", 20), 1);
  assertEquals(broker.getOption(own({ maxRetries: 0 }), "maxRetries", 20), 0);
  assertEquals(broker.getOption(own({ maxRetries: null }), "maxRetries", 20), 5);
  assertEquals(broker.getOption(own({}), "maxRetries", 20), 5);
  assertEquals(broker.getOption(own({}), "notifyShutdown", true), false);
  assertEquals(broker.getOption(unset.message(), "maxRetries", 20), 20);
  assertEquals(broker.getOption(unset.message(), "maxAge", Infinity), Infinity);
  assertEquals(broker.getOption(new MessageProxy(own({ maxAge: 3 })), "maxAge", 9), 3);
  const stranger = set.message().copy({ actorName: "nobody" });
  assertEquals(broker.getOption(stranger, "maxRetries", 20), 20);
});

// Reference: Broker.get_actor, ActorNotFound
test("Broker.getActor finds a declared actor, and names one that is not", () => {
  const broker = new StubBroker();
  const here = actor(function here() {}, { broker });
  assertStrictEquals(broker.getActor("here"), here);
  assertThrows(() => broker.getActor("gone"), ActorNotFound, 'Cannot find actor "gone"');
});

test("Broker.getResultBackend is that of the first middleware that has one", () => {
  const broker = new StubBroker();
  assertThrows(() => broker.getResultBackend(), TypeError, "has no Results middleware");
  const resultBackend = { getResult: () => Promise.resolve(1) };
  broker.addMiddleware({ resultBackend });
  assertStrictEquals(broker.getResultBackend(), resultBackend);
});

// Reference: Broker.declare_actor
test("Broker.declareActor leaves nothing behind that a middleware refuses", () => {
  const broker = new StubBroker({
    middleware: [{
      beforeDeclareActor() {
        throw new MiddlewareError("no");
      },
    }],
  });
  assertThrows(() => actor(function x() {}, { broker }), MiddlewareError, "no");
  assertEquals([broker.actors.size, broker.queues.size], [0, 0]);
});

test("Broker.enqueue refuses a delay that is no time, and stores nothing", async () => {
  const broker = new StubBroker();
  const x = actor(function x() {}, { broker });
  for (const delay of [NaN, Infinity, -Infinity]) {
    await assertRejects(() => broker.enqueue(x.message(), { delay }), RangeError, `${delay}`);
  }
  await assertRejects(() => broker.enqueue(x.message(), { delay: "5s" as never }), TypeError, "5s");
  await broker.join("default", { timeout: 0 });
});

test("Broker.enqueue takes a delay below 0 as one that is over, as Python does", async () => {
  const broker = new StubBroker();
  const x = actor(function x() {}, { broker });
  const before = Date.now();
  const sent = await broker.enqueue(x.message(), { delay: -5_000 });
  assert(sent.options.eta! <= Date.now() - 5_000 && sent.options.eta! >= before - 5_000);
});

test("Broker.enqueueMany sends none when a hook refuses one", async () => {
  const broker = new StubBroker({
    middleware: [{
      beforeEnqueue(_broker, message) {
        if (message.args[0] === 2) throw new MiddlewareError("not two");
      },
    }],
  });
  const x = actor(function x(_n: number) {}, { broker });
  await assertRejects(() => x.sendMany([[1], [2], [3]]), MiddlewareError, "not two");
  await broker.join("default", { timeout: 0 });
});

// Reference: set_broker
test("setBroker sets what getBroker gives, and what actors are declared on", () => {
  const broker = new StubBroker({ middleware: [new Callbacks()] });
  setBroker(broker);
  assertStrictEquals(getBroker(), broker);
  const global = actor(function declaredOnTheGlobalBroker() {});
  assertStrictEquals(global.broker, broker);
  const own = brokerFromUrl("stub:");
  assertStrictEquals(actor(function declaredOnItsOwn() {}, { broker: own }).broker, own);
});

test("Broker.enqueue says that a message is of another copy of this library", async () => {
  // The query makes it a module of its own, as a second installation has. The type checker would
  // follow a literal.
  const copy = new URL("../../core/message.ts", import.meta.url).pathname + "?copy";
  const other: typeof import("../../core/message.ts") = await import(copy);
  const fields = { queueName: "default", actorName: "add", args: [] };
  const message = new other.Message(fields);
  await using broker = new StubBroker();
  broker.declareQueue("default");
  for (const sending of [() => broker.enqueue(message), () => broker.enqueueMany([message])]) {
    await assertRejects(
      sending,
      TypeError,
      'Cannot send message of actor "add": it is not a Message',
    );
  }
});
