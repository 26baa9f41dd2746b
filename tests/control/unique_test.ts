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
import { FakeClock } from "../support/fake_clock.ts";
import { eventually } from "../support/servers/until.ts";
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
  assertEquals((await typed.send("a")).queueName, "default.DQ");
});

test("unique needs a control store, and says how to get one", () => {
  const broker = new RabbitmqBroker();
  assertThrows(
    () => actor(unused, { broker, actorName: "once", unique: true }),
    TypeError,
    'Cannot keep messages of actor "once" unique: the RabbitmqBroker has no control store; give it one',
  );
});

test("A unique key that is no text or number, or a `by` that throws, fails send", async () => {
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

test("An argument that no message can carry is refused for that, not for its unique key", async () => {
  const broker = new StubBroker();
  const once = actor((_n: bigint) => {}, { broker, actorName: "once", unique: true });
  await assertRejects(() => once.send(5n), TypeError, "a BigInt is not JSON; send it as text");
});

test("A claim costs messages of other actors nothing, and no option on the wire", async () => {
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

/** Has something happen just before the next change of a control store. */
function beforeNextChange({ controlStore }: StubBroker, happen: () => Promise<unknown>): void {
  const change = controlStore.change.bind(controlStore);
  controlStore.change = async (changes) => {
    controlStore.change = change;
    await happen();
    return await change(changes);
  };
}

/** A broker that stores messages and changes one after the other, as on RabbitMQ. */
class TwoStepBroker extends StubBroker {
  override readonly storesWithChanges: boolean = false;
  /** Runs while a message is on its way. */
  sending: () => void | Promise<void> = () => {};

  protected override async store(messages: readonly Message[]): Promise<void> {
    await this.sending();
    super.store(messages);
  }
}

const REPLACE: ActorOptions["unique"] = { by: (key) => String(key), onDuplicate: "replace" };

/** A broker, an actor with unique messages, and their claims. */
function open<B extends StubBroker>(broker: B, unique: ActorOptions["unique"] = true) {
  const once = actor((_key: string, _n?: number) => {}, { broker, actorName: "once", unique });
  const control = new Control(broker);
  const holders = async () => (await control.claims()).map(({ messageId }) => messageId);
  return { broker, once, control, holders };
}

test("The end of a message does not end the claim that another one has taken since", async () => {
  const { broker, once, control, holders } = open(new StubBroker());
  await once.send("a");
  await using consumer = broker.consume("default");
  const [delivery] = await consumer.receive(1);
  let next: Message | undefined;
  beforeNextChange(broker, async () => {
    await control.release((await control.claims())[0]!.key);
    next = await once.send("a");
  });
  await broker.emit("afterAck", delivery!);
  assertEquals(await holders(), [next!.messageId]);
  await broker.emit("afterAck", delivery!);
  assertEquals(await holders(), [next!.messageId]);
});

test("A message that is replaced just as it begins runs with what was sent last", async () => {
  const { broker, once, holders } = open(new StubBroker(), REPLACE);
  const { messageId } = await once.send("a", 1);
  await using consumer = broker.consume("default");
  const [delivery] = await consumer.receive(1);
  beforeNextChange(broker, () => once.send("a", 2));
  await broker.emit("beforeProcessMessage", delivery!);
  assertEquals([delivery!.messageId, delivery!.args[1]], [messageId, 2]);
  assertEquals(await holders(), []);
});

test("A message is never refused by its own claim, though it is sent once more", async () => {
  const { broker, once, holders } = open(new StubBroker());
  const message = once.message("a");
  for (let i = 0; i < 2; i++) {
    assertEquals((await broker.enqueue(message)).isDuplicate, false);
  }
  assertEquals(await holders(), [message.messageId]);
});

test("A retry of a debounced message is delayed as retries are", async () => {
  const broker = new StubBroker();
  const debounce = { by: () => "k", wait: 60_000 };
  const typed = actor((_n: number) => {}, { broker, actorName: "typed", debounce });
  const first = typed.message(1);
  await broker.enqueue(first, { cause: first, delay: 5 });
  const sent = await broker.enqueue(typed.message(2), { cause: first });
  assertEquals([sent.queueName, sent.option("eta")], ["default", undefined]);
});

test("A claim and its message in two steps: the claim of a sender that died ends soon", async () => {
  const clock = new FakeClock();
  const { broker, once, holders } = open(new TwoStepBroker({ clock }));
  const { promise: killed, reject: kill } = Promise.withResolvers<void>();
  broker.sending = () => killed;
  const sending = once.send("a");
  await eventually("claim", async () => (await holders()).length === 1);
  assertEquals((await once.send("a")).isDuplicate, true);
  await clock.advance(30_000);
  assertEquals(await holders(), []);
  kill(new Error("it died"));
  await assertRejects(() => sending, Error, "it died");
  broker.sending = () => {};
  assertEquals((await once.send("a")).isDuplicate, false);
  await clock.advance(86_399_000);
  assertEquals((await holders()).length, 1);
  await clock.advance(2_000);
  assertEquals(await holders(), []); // it cannot be verified
});

test("A claim and its message in two steps: a claim without its message ends at once", async () => {
  const { broker, once, holders } = open(new TwoStepBroker());
  broker.sending = () => Promise.reject(new Error("it is away"));
  await assertRejects(() => once.send("a"), Error, "it is away");
  assertEquals(await holders(), []);
});

test("A claim and its message in two steps: one that has run by then gets no claim back", async () => {
  const { broker, once, control, holders } = open(new TwoStepBroker());
  broker.sending = async () => void await control.release((await control.claims())[0]!.key);
  await once.send("a");
  assertEquals(await holders(), []);
});

test("A claim and its message in two steps: nothing replaces what may never arrive", async () => {
  const opened = open(new TwoStepBroker(), REPLACE);
  const { promise: killed, reject: kill } = Promise.withResolvers<void>();
  opened.broker.sending = () => killed;
  const sending = opened.once.send("a", 1);
  await eventually("claim", async () => (await opened.holders()).length === 1);
  // From another process: it waits for no turn of this one.
  const second = new TwoStepBroker();
  Object.defineProperty(second, "controlStore", { value: opened.broker.controlStore });
  const { once } = open(second, REPLACE);
  assertEquals((await once.send("a", 2)).isDuplicate, false);
  kill(new Error("it died"));
  await assertRejects(() => sending, Error, "it died");
});

test("A claim and its message in two steps: a delayed message keeps its claim until its eta", async () => {
  const clock = new FakeClock();
  const { once, holders } = open(new TwoStepBroker({ clock }));
  await once.sendWithOptions({ args: ["a"], delay: { days: 3 } });
  await clock.advance(4 * 86_400_000 - 1_000);
  assertEquals((await holders()).length, 1);
  await clock.advance(2_000);
  assertEquals(await holders(), []);
});
