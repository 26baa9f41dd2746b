import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  type ActorOptions,
  Control,
  group,
  Message,
  MiddlewareError,
  Prometheus,
  RabbitmqBroker,
  RedisBroker,
  StubBroker,
} from "@dq/dramatiq";
import { receiveCount } from "../conformance/broker_messages.ts";
import { test } from "../support/test.ts";

const unused = () => {};

for (
  const [unique, error, text] of [
    [1, TypeError, "its option unique must be true or an object, not 1"],
    [{ key: 1 }, TypeError, "key"],
    [{ by: "x" }, TypeError, "has a `by` that is no function"],
    [{ until: "ended" }, TypeError, 'until "ended": it must be "started", "finished" or a time'],
    [{ until: 0 }, RangeError, "until 0 ms, which must be above 0"],
    [{ onDuplicate: "drop" }, TypeError, '"drop": it must be "keep", "replace" or "throw"'],
    [{ onDuplicate: "replace", until: "finished" }, TypeError, 'until must be "started"'],
    [{ onDuplicate: "replace", until: 1_000 }, TypeError, 'until must be "started"'],
  ] as const
) {
  test(`unique of ${JSON.stringify(unique)} is refused`, () => {
    const options = { broker: new StubBroker(), actorName: "bad", unique } as ActorOptions;
    assertThrows(() => actor(unused, options), error, text);
  });
}

for (
  const [options, error, text] of [
    [{ debounce: 5 }, TypeError, "its option debounce must be an object, not 5"],
    [{ debounce: {} }, TypeError, "its option debounce needs a wait"],
    [{ debounce: { wait: 0 } }, RangeError, "has wait 0 ms, which must be above 0"],
    [
      { debounce: { wait: 5, maxWait: 4 } },
      RangeError,
      "has maxWait 4 ms, which is below its wait",
    ],
    [{ debounce: { wait: 5, by: "x" } }, TypeError, "has a `by` that is no function"],
    [{ debounce: { wait: 5, until: 1 } }, TypeError, "until"],
    [{ debounce: { wait: 5 }, unique: true }, TypeError, "take out its option unique"],
  ] as const
) {
  test(`options ${JSON.stringify(options)} are refused`, () => {
    const all = {
      broker: new StubBroker(),
      actorName: "bad",
      ...options,
    } as unknown as ActorOptions;
    assertThrows(() => actor(unused, all), error, text);
  });
}

test("A debounced message cannot be sent with a delay; one of a group is not debounced", async () => {
  const broker = new StubBroker();
  const options = { broker, actorName: "typed", debounce: { wait: { hours: 1 } } };
  const typed = actor((_key: string) => {}, options);
  await assertRejects(
    () => typed.sendWithOptions({ args: ["a"], delay: 5 }),
    TypeError,
    "Cannot send typed with a delay of 5 ms: its option debounce delays its messages",
  );
  await group([typed.message("a"), typed.message("a")], { broker }).run();
  assertEquals(await new Control(broker).claims(), []);
  const { queues } = await broker.inspect().overview();
  assertEquals(queues.map(({ ready, delayed }) => [ready, delayed]), [[2, 0]]);
  assertEquals((await typed.send("a")).queueName, "default.DQ");
});

test("unique needs a control store, and its error says how to get one", () => {
  const broker = new RabbitmqBroker();
  assertThrows(
    () => actor(unused, { broker, actorName: "once", unique: true }),
    TypeError,
    'Cannot keep messages of actor "once" unique: the RabbitmqBroker has no control store; give it one',
  );
});

test("send fails if the unique key is not a text or number, or `by` throws", async () => {
  const broker = new StubBroker();
  const by = (key: unknown) => {
    if (key === "bad") throw new Error("no key");
    return key as string;
  };
  const keyed = actor((_key: unknown) => {}, { broker, actorName: "keyed", unique: { by } });
  await assertRejects(() => keyed.send({}), TypeError, "must be a text or a number");
  await assertRejects(() => keyed.send(NaN), TypeError, "must be a text or a number");
  await assertRejects(() => keyed.send("bad"), TypeError, "its unique.by threw no key");
  assertEquals(await new Control(broker).claims(), []);
});

test("Equal keyword arguments make the same unique key, in whatever order", async () => {
  const broker = new StubBroker();
  const once = actor(unused, { broker, actorName: "once", unique: true });
  const send = async (kwargs: Record<string, unknown>) =>
    (await broker.enqueue(once.message().copy({ kwargs, messageId: crypto.randomUUID() })))
      .isDuplicate;
  assertEquals([await send({ a: 1, b: { c: 2, d: 3 } }), await send({ b: { d: 3, c: 2 }, a: 1 })], [
    ...[false, true],
  ]);
  assertEquals([await send({ a: 1, b: { c: 3, d: 2 } }), await send({ a: 1 })], [false, false]);
});

test("A duplicate calls no afterEnqueue, and is counted", async () => {
  const prometheus = new Prometheus();
  const sent: string[] = [];
  const broker = new StubBroker({
    middleware: [prometheus, { afterEnqueue: (_broker, { args }) => void sent.push(`${args}`) }],
  });
  const long = "x".repeat(200); // hashed
  const once = actor((_key: string) => {}, { broker, actorName: "once", unique: true });
  const [first, second] = [await once.send(long), await once.send(long)];
  assertEquals([second.isDuplicate, second.messageId], [true, first.messageId]);
  assertEquals(sent, [long]);
  const answer = await prometheus.metricsHandler(new Request("http://localhost/metrics"));
  const text = await answer.text();
  assertMatch(text, /dramatiq_duplicate_messages_total\{actor="once",action="keep"\} 1/);
});

test("A message that may have been replaced does not run with an old text, and is counted", async () => {
  const prometheus = new Prometheus();
  const broker = new StubBroker({ middleware: [prometheus] });
  const unique = { by: () => "k", onDuplicate: "replace" } as const;
  const latest = actor((_n: number) => {}, { broker, actorName: "latest", unique });
  const [first, second] = [await latest.send(1), await latest.send(2)];
  assertEquals(second.messageId, first.messageId);
  const answer = await prometheus.metricsHandler(new Request("http://localhost/metrics"));
  assertMatch(await answer.text(), /_messages_total\{actor="latest",action="replace"\} 1/);

  await using consumer = broker.consume("default");
  const [delivery] = await consumer.receive(1);
  const { controlStore } = broker;
  const change = controlStore.change.bind(controlStore);
  controlStore.change = () => Promise.reject(new Error("it is away"));
  await assertRejects(
    () => Promise.resolve(broker.emit("beforeProcessMessage", delivery!)),
    MiddlewareError,
    `Cannot read the latest arguments of message ${first.messageId}: it is away`,
  );
  controlStore.change = change;
  await broker.emit("beforeProcessMessage", delivery!);
  assertEquals(delivery!.args, [2]);
});

test("Broker.enqueueMany keeps the order of unique messages and others on one queue", async () => {
  const broker = new StubBroker();
  actor(unused, { broker, actorName: "once", unique: true });
  actor(unused, { broker, actorName: "plain" });
  const names = ["plain", "once", "plain", "plain", "once"];
  await broker.enqueueMany(names.map((actorName, i) => {
    return new Message({ queueName: "default", actorName, args: [i] });
  }));
  const consumer = broker.consume("default", { prefetch: names.length });
  const received = await receiveCount(consumer, names.length);
  assertEquals(received.map(({ args: [i] }) => i), [0, 1, 2, 3, 4]);
  await consumer.close();
});

test("The error for an argument that cannot be encoded names the argument, not the unique key", async () => {
  const broker = new StubBroker();
  const once = actor((_n: bigint) => {}, { broker, actorName: "once", unique: true });
  await assertRejects(() => once.send(5n), TypeError, "a BigInt is not JSON; send it as text");
});

test("A claim adds no cost for other actors, and no option on the wire", async () => {
  const broker = new StubBroker();
  actor(unused, { broker, actorName: "once", unique: true });
  const plain = actor((_n: number) => {}, { broker, actorName: "plain" });
  const message = await plain.send(1);
  assertEquals([message.isDuplicate, message.options], [false, {}]);
  assertEquals((await broker.controlStore.read("")).entries, []);
});

test("RedisBroker: uniqueKey travels as unique_key", () => {
  const broker = new RedisBroker({ url: "redis://127.0.0.1:1" });
  const once = actor(unused, { broker, actorName: "once" });
  const message = once.messageWithOptions({ args: [], uniqueKey: "k" });
  assertEquals(message.asDict().options, { unique_key: "k" });
});
