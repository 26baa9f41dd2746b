import { assertEquals } from "@std/assert";
import { actor, type AnyActor, Callbacks, Retries, StubBroker, Worker } from "@dq/dramatiq";
import { receiveCount } from "../conformance/broker_messages.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

interface Told {
  readonly message: { readonly actor_name: string; readonly options: Record<string, unknown> };
  readonly what: unknown;
}

/** Runs an actor once, with another actor as its callback under both options. */
async function toldOf(
  fn: () => unknown,
  options: (tell: AnyActor) => { onSuccess?: AnyActor; onFailure?: AnyActor },
): Promise<Told[]> {
  const clock = new FakeClock();
  const middleware = [new Callbacks(), new Retries({ maxRetries: 0 })];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  const told: Told[] = [];
  const tell = actor(function tell(message: Told["message"], what: unknown) {
    told.push({ message, what });
  }, { broker });
  const work = actor(fn, { broker, actorName: "work", ...options(tell) });
  await using worker = new Worker(broker);
  await worker.start();
  await work.send();
  await clock.waitFor(broker.join("default"));
  return told;
}

const onSuccess = (tell: AnyActor) => ({ onSuccess: tell });
const onFailure = (tell: AnyActor) => ({ onFailure: tell });

function failWith(thrown: unknown): () => never {
  return () => {
    throw thrown;
  };
}

test("Callbacks tells the actor in onSuccess of any result", async () => {
  for (const result of [0, false, "", null, [1, "a"], { a: { b: 1 } }]) {
    const told = await toldOf(() => Promise.resolve(result), onSuccess);
    assertEquals(told.map(({ what }) => what), [result]);
    assertEquals(told[0]!.message.actor_name, "work");
  }
});

test("Callbacks passes an undefined result as null", async () => {
  const told = await toldOf(() => undefined, onSuccess);
  assertEquals(told.map(({ what }) => what), [null]);
});

test("Callbacks sends no callback that was not requested", async () => {
  assertEquals(await toldOf(() => 7, onFailure), []);
  assertEquals(await toldOf(failWith(new Error("nope")), onSuccess), []);
});

test("Callbacks names the class of the error", async () => {
  class Mine extends Error {}
  class Named extends Error {
    override name = "SpellingError";
  }
  const cases: [unknown, { type: string; message: string }][] = [
    [new Mine("a"), { type: "Mine", message: "a" }],
    [new Named("b"), { type: "SpellingError", message: "b" }],
    [new TypeError("c"), { type: "TypeError", message: "c" }],
    [new Error(""), { type: "Error", message: "" }],
    ["text", { type: "string", message: "text" }],
  ];
  for (const [thrown, what] of cases) {
    const told = await toldOf(failWith(thrown), onFailure);
    assertEquals(told.map((one) => one.what), [what]);
  }
});

test("Callbacks shows the message with what Retries made of it", async () => {
  const [told] = await toldOf(failWith(new Error("nope")), onFailure);
  assertEquals(told!.message.options["retries"], 1);
});

test("Callbacks and Retries send to actors of another program, for which placeholders stand", async () => {
  const names = ["onSuccess", "onFailure", "onRetryExhausted"] as const;
  const broker = new StubBroker({ failFast: false });
  for (const name of names) actor(() => {}, { broker, actorName: name, queueName: "python" });
  const options = Object.fromEntries(names.map((name) => [name, name]));
  const work = actor(function work(fails: boolean) {
    if (fails) throw new Error("nope");
  }, { broker, queueName: "ours", maxRetries: 0, ...options });
  await using worker = new Worker(broker, { queues: ["ours"] });
  await worker.start();
  await work.sendMany([[false], [true]]);
  await broker.join("ours");
  await using consumer = broker.consume("python", { prefetch: 3 });
  const received = await receiveCount(consumer, 3);
  assertEquals(received.map(({ actorName }) => actorName).toSorted(), names.toSorted());
});
