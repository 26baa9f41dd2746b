import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  actor,
  type Broker,
  ConnectionClosed,
  defaultMiddleware,
  getBroker,
  group,
  GroupCallbacks,
  Message,
  pipeline,
  Results,
  setBroker,
  StubBroker,
  StubRateLimiterBackend,
  StubResultBackend,
} from "@dq/dramatiq";
import { TestBroker } from "@dq/dramatiq/testing";
import { test } from "../support/test.ts";

/** A broker that must not receive messages: it refuses all, as it has no queue. */
function makeGlobal(): StubBroker {
  const broker = new StubBroker();
  setBroker(broker);
  return broker;
}

/** An actor on a broker. */
const makeAdd = (broker: StubBroker) =>
  actor((a: number, b: number) => a + b, { broker, actorName: "add" });

test("Pipelines and groups run on the broker of the actors of all their messages", async () => {
  await using app = makeGlobal();
  await using own = new StubBroker();
  const add = makeAdd(own);
  const step = add.message(1, 2);
  const nameOf = ({ broker }: { broker: Broker }) => broker === own ? "own" : "app";
  assertEquals(nameOf(pipeline([step, add.message(3)])), "own");
  assertEquals(nameOf(step.pipe(add.message(3))), "own");
  assertEquals(nameOf(group([step, pipeline([add.message(1, 1), add.message(1)])])), "own");
  assertEquals(nameOf(group([group([step]), group([step])])), "own");
  assertEquals(nameOf(pipeline([step], { broker: app })), "app");
  // It is not known what these are for.
  const raw = new Message<number, number>({ queueName: "default", actorName: "add", args: [1] });
  assertEquals([nameOf(pipeline([step, raw])), nameOf(group([step, raw]))], ["app", "app"]);
  const other = makeAdd(app).message(1, 1);
  assertEquals([nameOf(group([step, other])), nameOf(group([group([step]), other]))], [
    "app",
    "app",
  ]);
  assertEquals(nameOf(group([])), "app");
});

test("TestBroker with actors of its own gets their pipelines, groups and results", async () => {
  await using _ = makeGlobal();
  const add = makeAdd(new StubBroker());
  const step = add.message(1, 2); // made before the kit, as by a module
  await using kit = new TestBroker({
    actors: [add],
    middleware: (clock) => [
      ...defaultMiddleware(),
      new GroupCallbacks(new StubRateLimiterBackend({ clock })),
      new Results({ backend: new StubResultBackend({ clock }), storeResults: true }),
    ],
  });
  const sum = await pipeline([step, add.message(3)]).run();
  const both = group([add.message(1, 1), add.message(2, 2).pipe(add.message(3))]);
  both.addCompletionCallback(add.message(0, 0));
  await both.run();
  await kit.drain();
  assertEquals([await sum.getResult(), await step.getResult()], [6, 3]);
  assertEquals(await Array.fromAsync(both.getResults()), [2, 7]);
  assertEquals([await both.completed, await both.settled], [true, true]);
  kit.assertEnqueued(add, { args: [0, 0] });
});

test("TestBroker gives actors declared while it was open to the broker that it replaced", async () => {
  await using app = makeGlobal();
  const kit = new TestBroker({ replaces: app });
  const late = actor((_n: number) => {}, { actorName: "late" });
  const named = actor((_n: number) => {}, { broker: app, actorName: "named" });
  const own = actor(() => {}, { broker: kit, actorName: "own" });
  await late.send(1);
  await named.send(2);
  assertEquals((await kit.drain()).map(({ actorName }) => actorName), ["late", "named"]);
  await kit.close();
  assertStrictEquals(late.broker, app);
  assertStrictEquals(named.broker, app);
  assertStrictEquals(getBroker(), app);
  assertEquals([...app.actors.keys()], ["named", "late"]);
  await late.send(3);
  assertEquals((await app.inspect().overview()).queues[0]!.ready, 1);
  await using again = new TestBroker({ replaces: app });
  assertStrictEquals(late.broker, again);
  assertStrictEquals(named.broker, again);
  const error = await assertRejects(() => own.send(), ConnectionClosed);
  assertEquals(
    error.message,
    'Cannot send to actor "own": it was declared while a TestBroker was open, and that is closed now',
  );
});

test("TestBroker names the actor that the replaced broker refuses", async () => {
  await using app = makeGlobal();
  const kit = new TestBroker({ replaces: app, middleware: [{ actorOptions: ["colour"] }] });
  const red = actor(() => {}, { actorName: "red", colour: "red" });
  const plain = actor(() => {}, { actorName: "plain" });
  await assertRejects(() => kit.close(), TypeError, 'Cannot give actor "red" to the broker that');
  assertStrictEquals(getBroker(), app);
  assertStrictEquals(red.broker, app);
  assertStrictEquals(plain.broker, app);
  assertEquals([...app.actors.keys()], ["plain"]);
});

test("TestBroker names the place where the TestBroker that has an actor was made", async () => {
  await using app = makeGlobal();
  const add = makeAdd(app);
  await using kit = new TestBroker({ actors: [add] });
  const error = assertThrows(() => new TestBroker({ replaces: app }), TypeError);
  assertStrictEquals(add.broker, kit);
  assertEquals(
    /made at .*replaces_test\.ts:\d+:\d+\)? has it/.test(error.message),
    true,
    error.message,
  );
});

test("Two TestBrokers at the same time do not see each other", async () => {
  await using kit = new TestBroker();
  await using other = new TestBroker();
  const [one, two] = [kit, other].map((broker) =>
    actor((_n: number) => {}, { broker, actorName: "count" })
  );
  await Promise.all([one!.send(1), two!.sendWithOptions({ args: [2], delay: 60_000 })]);
  const [runs] = await Promise.all([kit.drain(), other.advance({ seconds: 30 })]);
  assertEquals(runs.map(({ message }) => message.args), [[1]]);
  assertEquals(other.now - kit.now, 30_000);
  kit.assertNotEnqueued("count", { args: [2] });
});

test("TestBroker takes the place of a broker until it is closed", async () => {
  const app = new StubBroker();
  await using _ = app;
  setBroker(app);
  const count = actor((_n: number) => {}, { actorName: "count" });
  {
    await using kit = new TestBroker({ replaces: app });
    assertStrictEquals(getBroker(), kit);
    assertStrictEquals(count.broker, kit);
    await count.send(1);
    assertEquals((await kit.drain()).length, 1);
    assertThrows(() => new TestBroker({ actors: [count] }), TypeError, "has it; close");
  }
  assertStrictEquals(getBroker(), app);
  assertStrictEquals(count.broker, app);
  await using again = new TestBroker({ actors: [count] });
  assertStrictEquals(getBroker(), app);
  assertStrictEquals(count.broker, again);
  again.assertNotEnqueued(count);
});

test("TestBroker gives actors back if it refuses one of them", async () => {
  const app = new StubBroker({ middleware: [{ actorOptions: ["colour"] }] });
  await using _ = app;
  const plain = actor(() => {}, { broker: app, actorName: "plain" });
  const red = actor(() => {}, { broker: app, actorName: "red", colour: "red" });
  assertThrows(() => new TestBroker({ replaces: app }), TypeError, "colour");
  assertStrictEquals(plain.broker, app);
  assertStrictEquals(red.broker, app);
});
