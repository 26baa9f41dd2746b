import { assertEquals, assertRejects } from "@std/assert";
import {
  actor,
  type ActorOptions,
  Control,
  DuplicateMessage,
  type Message,
  StubBroker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

/** Runs a function just before the next change of a control store. */
function beforeNextChange({ controlStore }: StubBroker, happen: () => Promise<unknown>): void {
  const change = controlStore.change.bind(controlStore);
  controlStore.change = async (changes) => {
    controlStore.change = change;
    await happen();
    return await change(changes);
  };
}

/** A broker that stores changes and messages in two steps, like RabbitMQ. */
class TwoStepBroker extends StubBroker {
  override readonly storesWithChanges: boolean = false;
  /** Called between storing the changes and storing the message. */
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

test("The end of a message does not end the claim that another one has taken meanwhile", async () => {
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

test("A message that is replaced just as it begins runs with the latest arguments", async () => {
  const { broker, once, holders } = open(new StubBroker({ clock: new FakeClock() }), REPLACE);
  const { messageId } = await once.send("a", 1);
  await using consumer = broker.consume("default");
  const [delivery] = await consumer.receive(1);
  beforeNextChange(broker, () => once.send("a", 2));
  await broker.emit("beforeProcessMessage", delivery!);
  assertEquals([delivery!.messageId, delivery!.args[1]], [messageId, 2]);
  assertEquals(await holders(), []);
});

test("A message that is sent again is not refused by its own claim", async () => {
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

test("A claim and its message in two steps: a message that has already run gets no claim", async () => {
  const { broker, once, control, holders } = open(new TwoStepBroker());
  broker.sending = async () => void await control.release((await control.claims())[0]!.key);
  await once.send("a");
  assertEquals(await holders(), []);
});

test("A claim and its message in two steps: a message that may never arrive is not replaced", async () => {
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

test("A dead letter that is requeued does not replace the message that has its key", async () => {
  const { broker, once } = open(
    new StubBroker({ failFast: false, clock: new FakeClock() }),
    REPLACE,
  );
  await once.send("a", 1);
  await using consumer = broker.consume("default");
  const [delivery] = await consumer.receive(1);
  await broker.emit("beforeProcessMessage", delivery!);
  delivery!.fail();
  await consumer.nack([delivery!]);
  await once.send("a", 2);
  for await (const dead of broker.deadLetters("default")) {
    await assertRejects(() => dead.requeue(), DuplicateMessage);
  }
  const [second] = await consumer.receive(1);
  await broker.emit("beforeProcessMessage", second!);
  assertEquals(second!.args, ["a", 2]);
});

test("A debounced message is delayed by at most maxWait since it was first sent", async () => {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock });
  const debounce = { by: () => "k", wait: 60_000, maxWait: 90_000 };
  const typed = actor(() => {}, { broker, actorName: "typed", debounce });
  const start = clock.now();
  await typed.send();
  await clock.advance(50_000);
  await typed.send();
  const { entries } = await broker.controlStore.read("claim/typed/");
  const { eta } = entries[0]!.value as { eta: number };
  assertEquals(eta - start, 90_000);
});
