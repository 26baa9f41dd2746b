import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { Actor, actor, type Message, Retries, StubBroker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

function ready() {
  const broker = new StubBroker();
  const add = actor(function add(a: number, b: number) {
    return a + b;
  }, { broker });
  return { broker, add };
}

/** Takes the next message off a queue. */
async function nextOf(broker: StubBroker, queueName = "default"): Promise<Message> {
  await using consumer = broker.consume(queueName);
  const [received] = await consumer.receive(1);
  await consumer.ack([received!]);
  return received!.message;
}

// Reference: Actor.__call__, Actor.fn
test("Actor called runs its function here and now", async () => {
  const { broker, add } = ready();
  assertEquals(add(1, 2), 3);
  assertEquals(add.call(undefined, 1, 2), 3);
  assertEquals([1, 2].map((n) => add.bind(undefined, n)(1)), [2, 3]);
  const later = actor((text: string) => Promise.resolve(text.length), {
    broker,
    actorName: "later",
  });
  assertEquals(await later("abc"), 3);
  await broker.join("default", { timeout: 0 }); // nothing was sent
});

// Reference: actor, Actor, Actor.broker, Actor.actor_name, Actor.queue_name, Actor.options
test("Actor has the name, queue, priority and options it was given, else the defaults", () => {
  const { broker, add } = ready();
  assertInstanceOf(add, Actor);
  assertEquals([add.actorName, add.name, add.queueName, add.priority], [
    "add",
    "add",
    "default",
    0,
  ]);
  assertEquals([add.options, add.broker], [{}, broker]);
  assertEquals(`${add}`, "Actor(add)");
  const other = actor(add.fn, {
    broker,
    actorName: "other",
    queueName: "q",
    priority: -5,
    maxRetries: 0,
  });
  assertEquals([other.actorName, other.queueName, other.priority], ["other", "q", -5]);
  assertEquals(other.options, { maxRetries: 0 });
  assertEquals([...broker.actors.keys()], ["add", "other"]);
  assertEquals([...broker.queues], ["default", "q"]);
});

// Reference: Actor.message
test("Actor.message makes a message and sends nothing", async () => {
  const { broker, add } = ready();
  const message = add.message(1, 2);
  assertEquals([message.actorName, message.queueName, message.args], ["add", "default", [1, 2]]);
  assertEquals([message.kwargs, message.options], [{}, {}]);
  await broker.join("default", { timeout: 0 });
});

// Reference: Actor.message_with_options
test("Actor.messageWithOptions puts callbacks in as names, and unknown options as they are", () => {
  const { broker, add } = ready();
  const done = actor(function done() {}, { broker });
  const message = add.messageWithOptions({
    args: [1, 2],
    kwargs: { unit: "km" },
    onSuccess: done,
    onFailure: "failed",
    onRetryExhausted: done,
    maxRetries: 2,
    tenant: "acme",
  });
  assertEquals(message.kwargs, { unit: "km" });
  assertEquals(message.asDict().options, {
    on_success: "done",
    on_failure: "failed",
    on_retry_exhausted: "done",
    max_retries: 2,
    tenant: "acme",
  });
});

test("Actor.messageWithOptions refuses a callback that is neither an actor nor a name", () => {
  const { add } = ready();
  for (const name of ["onSuccess", "onFailure", "onRetryExhausted"]) {
    assertThrows(
      () => add.messageWithOptions({ args: [1, 2], [name]: 3 }),
      TypeError,
      `Cannot set ${name} of a message for actor "add": it must be an actor`,
    );
  }
});

// Reference: Actor.send
test("Actor.send gives the message as it was stored", async () => {
  const { broker, add } = ready();
  const sent = await add.send(1, 2);
  const received = await nextOf(broker);
  assertEquals(received.asDict(), sent.asDict());
});

// Reference: Actor.send_with_options
test("Actor.sendWithOptions delays by milliseconds or by a duration", async () => {
  const { add } = ready();
  for (const delay of [90_000, { seconds: 90 }, { minutes: 1, seconds: 30 }]) {
    const before = Date.now();
    const sent = await add.sendWithOptions({ args: [1, 2], delay });
    assertEquals(sent.queueName, "default.DQ");
    const eta = sent.options.eta!;
    assert(eta >= before + 90_000 && eta <= Date.now() + 90_000, `${eta}`);
    assertEquals(Object.keys(sent.options), ["eta"]);
  }
});

test("Actor.send refuses what the encoder cannot carry, names it, and sends nothing", async () => {
  const { broker, add } = ready();
  const loose = add as unknown as Actor<unknown[], unknown>;
  await assertRejects(
    () => loose.send(1, { when: new Date(0) }),
    TypeError,
    'Cannot encode message for actor "add": args[1].when: a Date would not arrive as one',
  );
  await assertRejects(() => loose.send(undefined), TypeError, "args[0]: undefined is not JSON");
  await assertRejects(() => loose.sendMany([[1], [2n]]), TypeError, "args[0]: a BigInt");
  await broker.join("default", { timeout: 0 });
});

test("Actor.sendMany sends in order, all of them delayed if asked", async () => {
  const { broker, add } = ready();
  const sent = await add.sendMany([[1, 2], [3, 4]]);
  assertEquals(sent.map((message) => message.args), [[1, 2], [3, 4]]);
  assertEquals((await nextOf(broker)).args, [1, 2]);
  assertEquals((await nextOf(broker)).args, [3, 4]);
  const delayed = await add.sendMany(new Set([[5, 6] as [number, number]]), { delay: 1_000 });
  assertEquals(delayed.map((message) => message.queueName), ["default.DQ"]);
  assertEquals(await add.sendMany([]), []);
});

test("actor refuses an anonymous function unless it is given a name", () => {
  const { broker } = ready();
  assertThrows(() => actor(() => {}, { broker }), TypeError, "anonymous function");
  assertThrows(() => actor(() => {}, { broker, actorName: "" }), TypeError, "anonymous function");
  assertEquals(actor(() => {}, { broker, actorName: "named" }).actorName, "named");
});

test("actor refuses a generator function, of which a call runs nothing", () => {
  const { broker } = ready();
  for (const fn of [function* steps() {}, async function* steps() {}]) {
    assertThrows(
      () => actor(fn as never, { broker }),
      TypeError,
      "Cannot create an actor from the generator function steps: workers call a function once",
    );
  }
});

test("messageWithOptions refuses what is an option of actors only", () => {
  const { add } = ready();
  const args: [number, number] = [1, 2];
  // @ts-expect-error -- priority is of the actor
  const first = () => add.messageWithOptions({ args, priority: 1 });
  // @ts-expect-error -- queueName is of the actor
  const toOther = () => add.messageWithOptions({ args, queueName: "other" });
  assertThrows(first, TypeError, "a message may have brokerPriority");
  assertThrows(
    toOther,
    TypeError,
    'Cannot make a message for actor "add": queueName is not an option of messages; set it on the',
  );
  assertEquals(add.messageWithOptions({ args, custom: 1 }).options["custom"], 1);
});

test("actor says what it takes when it is given something else", () => {
  const { broker } = ready();
  class Plain {}
  const cases: [unknown, string][] = [
    [undefined, "Cannot create an actor from undefined: it must be a function, or a class that"],
    [
      Plain,
      "Cannot create an actor from class Plain: it must be a function, or a class that extends",
    ],
  ];
  for (const [fn, text] of cases) {
    assertThrows(() => actor(fn as never, { broker }), TypeError, text);
  }
  assertThrows(
    () => actor(function x() {}, { broker: {} as never }),
    TypeError,
    'Cannot create actor "x": its broker is [object Object]',
  );
});

test("Actor.sendWithOptions refuses arguments that a worker could not decode", async () => {
  const { add } = ready();
  for (const args of ["ab", null, { length: 1 }]) {
    const sending = () => add.sendWithOptions({ args: args as never });
    await assertRejects(sending, TypeError, "Cannot send add: args must be an array");
  }
  for (const kwargs of [[1], "abc"]) {
    const sending = () => add.sendWithOptions({ kwargs: kwargs as never });
    await assertRejects(sending, TypeError, "Cannot send add: kwargs must be an object");
  }
  await assertRejects(
    () => add.sendWithOptions({ args: [1, 2], delay: 1e300 }),
    RangeError,
    "Cannot delay a message by 1e+300 ms",
  );
});

test("actor refuses what is no function, a priority that is no number, and a taken name", () => {
  const { broker, add } = ready();
  assertThrows(() => actor(7 as never, { broker, actorName: "x" }), TypeError, "actor from 7");
  for (const priority of ["1", NaN, null]) {
    assertThrows(
      () => actor(function low() {}, { broker, priority: priority as number }),
      TypeError,
      `Cannot create actor "low": its priority must be a number, not ${priority}`,
    );
  }
  assertThrows(
    () => actor(add.fn, { broker }),
    TypeError,
    'Cannot declare actor "add": the name is taken',
  );
});

// Reference: Broker.actor_options
test("actor refuses options that no middleware knows, and lists those that exist", () => {
  const broker = new StubBroker({ middleware: [new Retries()] });
  const { message } = assertThrows(
    () => actor(function x() {}, { broker, maxRetires: 3, timeLimit: 1 }),
    TypeError,
  );
  assertEquals(
    message,
    'Cannot declare actor "x": no middleware of this broker knows its options maxRetires, ' +
      "timeLimit; known are cron, debounce, every, maxBackoff, maxDeaths, maxRetries, maxSnoozes, minBackoff, " +
      "onRetryExhausted, retryWhen, snoozeWhenLimited, throws, unique",
  );
  assertEquals(broker.actors.size, 0);
  assertEquals(broker.queues.size, 0);
});

test("actor refuses a queue name that cannot be one", () => {
  const { broker } = ready();
  assertThrows(
    () => actor(function x() {}, { broker, queueName: "a b" }),
    TypeError,
    'Cannot declare queue "a b": names start with a letter or underscore',
  );
  assertEquals(broker.actors.has("x"), false);
});

// Reference: Actor.logger
test("Actor.logger writes to a category of the actor's own", async () => {
  const lines = await linesOf({ category: ["dramatiq", "actor"] }, () => {
    const add = actor(function add() {}, { broker: new StubBroker() });
    add.logger.info("Added {count}", { count: 2 });
  });
  assertEquals(lines.map(({ category }) => category), [["dramatiq", "actor", "add"]]);
  assertEquals(textOf(lines[0]!), "Added 2");
});

test("Actor.message takes its timestamp from the clock of the broker", () => {
  const broker = new StubBroker({ clock: new FakeClock(1_700_000_000_000) });
  const add = actor((a: number, b: number) => a + b, { broker, actorName: "add" });
  assertEquals(add.message(1, 2).messageTimestamp, 1_700_000_000_000);
  assertEquals(add.messageWithOptions({ args: [1, 2] }).messageTimestamp, 1_700_000_000_000);
});
