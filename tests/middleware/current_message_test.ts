import { assertEquals } from "@std/assert";
import {
  actor,
  CurrentMessage,
  currentMessage,
  currentSignal,
  type MessageProxy,
  type Middleware,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";

interface Fixture extends AsyncDisposable {
  readonly broker: StubBroker;
  /** Runs the messages that were sent. */
  run(): Promise<void>;
}

function setFixture(middleware: readonly Middleware[] = []): Fixture {
  const broker = new StubBroker({ middleware });
  const worker = new Worker(broker);
  return {
    broker,
    async run() {
      await worker.start();
      await broker.join("default");
    },
    [Symbol.asyncDispose]: () => worker.stop(),
  };
}

// Reference: CurrentMessage
test("currentMessage is the message that the actor runs for", async () => {
  await using fixture = setFixture();
  const seen: unknown[] = [];
  const look = actor(function look() {
    seen.push(currentMessage()?.messageId, currentMessage()?.options["tenant"]);
  }, { broker: fixture.broker });
  const { messageId } = await look.sendWithOptions({ tenant: "acme" });
  await fixture.run();
  assertEquals(seen, [messageId, "acme"]);
});

test("currentMessage stays the same across awaits and timers", async () => {
  await using fixture = setFixture();
  const seen: unknown[] = [];
  const look = actor(async function look() {
    const note = () => seen.push(currentMessage()?.messageId);
    await Promise.resolve();
    note();
    await new Promise<void>((resolve) =>
      setTimeout(() => {
        note();
        resolve();
      }, 0)
    );
    note();
    await Promise.all([Promise.resolve().then(note), Promise.resolve().then(note)]);
  }, { broker: fixture.broker });
  const { messageId } = await look.send();
  await fixture.run();
  assertEquals(seen, Array(5).fill(messageId));
});

test("currentMessage tells messages apart that run at the same time", async () => {
  await using fixture = setFixture();
  const arrived: (() => void)[] = [];
  const seen: [number, number][] = [];
  const meet = actor(async function meet(n: number) {
    await new Promise<void>((resolve) => {
      arrived.push(resolve);
      if (arrived.length === 3) { for (const go of arrived) go(); }
    });
    seen.push([n, currentMessage()!.args[0] as number]);
  }, { broker: fixture.broker });
  await meet.sendMany([[1], [2], [3]]);
  await fixture.run();
  assertEquals(seen, [[1, 1], [2, 2], [3, 3]]);
});

test("currentMessage is undefined outside an actor", async () => {
  await using fixture = setFixture();
  const called = actor(function called() {
    return currentMessage();
  }, { broker: fixture.broker });
  assertEquals(currentMessage(), undefined);
  assertEquals(await called(), undefined);
});

test("currentMessage is there for what wraps the actor", async () => {
  const seen: [string, unknown][] = [];
  const wrapping: Middleware = {
    async wrapActor(message: MessageProxy, next: () => Promise<unknown>) {
      seen.push(["before", currentMessage()?.messageId === message.messageId]);
      const result = await next();
      seen.push(["after", currentMessage()?.messageId === message.messageId]);
      return result;
    },
  };
  await using fixture = setFixture([wrapping]);
  const quick = actor(function quick() {}, { broker: fixture.broker });
  await quick.send();
  await fixture.run();
  assertEquals(seen, [["before", true], ["after", true]]);
});

// Reference: CurrentMessage.get_current_message
test("CurrentMessage.getCurrentMessage is the same as currentMessage", async () => {
  await using fixture = setFixture([new CurrentMessage()]);
  const seen: unknown[] = [];
  const look = actor(function look() {
    seen.push(CurrentMessage.getCurrentMessage() === currentMessage());
    seen.push(CurrentMessage.getCurrentMessage()?.actorName);
  }, { broker: fixture.broker });
  await look.send();
  await fixture.run();
  assertEquals(seen, [true, "look"]);
  assertEquals(CurrentMessage.getCurrentMessage(), undefined);
});

test("currentSignal is one signal per message", async () => {
  await using fixture = setFixture();
  const signals = new Set<AbortSignal>();
  const look = actor(async function look() {
    signals.add(currentSignal());
    await Promise.resolve();
    signals.add(currentSignal());
  }, { broker: fixture.broker });
  await look.sendMany([[], []]);
  await fixture.run();
  assertEquals(signals.size, 2);
  assertEquals([...signals].map(({ aborted }) => aborted), [false, false]);
});

test("currentSignal never aborts outside an actor", () => {
  assertEquals(currentSignal().aborted, false);
  assertEquals(currentSignal(), currentSignal());
});
