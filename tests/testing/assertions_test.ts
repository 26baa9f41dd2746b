import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { actor, getBroker, setBroker, StubBroker } from "@dq/dramatiq";
import { AssertionError, TestBroker, VirtualClock } from "@dq/dramatiq/testing";
import { test } from "../support/test.ts";

/** A broker with two actors. */
function makeKit() {
  const kit = new TestBroker();
  const mail = actor((_to: string, _options: { subject?: string; tags?: string[] }) => {}, {
    broker: kit,
    actorName: "mail",
  });
  const count = actor((_n: number) => {}, { broker: kit, actorName: "count", queueName: "low" });
  return { kit, mail, count };
}

/** The text of a failed assertion. */
function textOf(assertion: () => unknown): string {
  return assertThrows(assertion, AssertionError).message;
}

test("TestBroker.assertEnqueued finds a message by its actor and what is expected of it", async () => {
  const { kit, mail, count } = makeKit();
  await using _ = kit;
  await mail.send("ada@example.org", { subject: "Hello", tags: ["a", "b"] });
  await count.sendWithOptions({ args: [1], delay: { minutes: 5 } });
  await count.sendWithOptions({ kwargs: { n: 2 } });
  kit.assertEnqueued(mail);
  kit.assertEnqueued("mail", { times: 1, queueName: "default" });
  kit.assertEnqueued(mail, {
    args: ["ada@example.org", { tags: ["a", "b"], subject: "Hello" }],
  });
  const [found] = kit.assertEnqueued(count, { args: [1], delay: 300_000, queueName: "low" });
  assertEquals(found!.args[0], 1);
  kit.assertEnqueued(count, { kwargs: { n: 2 }, args: [] as unknown as [number] });
  kit.assertEnqueued(count, { times: 2 });
  kit.assertNotEnqueued(count, { args: [3] });
});

test("TestBroker.assertEnqueued takes functions and matchers in place of values", async () => {
  const { kit, mail } = makeKit();
  await using _ = kit;
  await mail.send("ada@example.org", { subject: "Hello" });
  const matcher = { asymmetricMatch: (value: unknown) => typeof value === "string" };
  kit.assertEnqueued(mail, { args: [(to) => to.startsWith("ada"), { subject: "Hello" }] });
  kit.assertEnqueued(mail, { args: ["ada@example.org", { subject: matcher as never }] });
  kit.assertNotEnqueued(mail, { args: [(to) => to.startsWith("bob"), () => true] });
});

test("TestBroker.assertEnqueued still finds a message that has run, and no retries", async () => {
  const { kit } = makeKit();
  await using _ = kit;
  let calls = 0;
  const flaky = actor(() => {
    if (++calls === 1) throw new Error("not yet");
  }, { broker: kit, actorName: "flaky" });
  await flaky.sendWithOptions({ delay: 1_000 });
  await kit.drain({ raise: false });
  assertEquals(calls, 2);
  kit.assertEnqueued(flaky, { times: 1, delay: 1_000 });
  kit.clearEnqueued();
  kit.assertNotEnqueued(flaky);
});

test("TestBroker.assertEnqueued compares what the actor gets, as it was sent", async () => {
  const { kit, mail } = makeKit();
  await using _ = kit;
  const options = { tags: ["a"] };
  await mail.send("ada@example.org", options);
  options.tags.push("b");
  kit.assertEnqueued(mail, { args: ["ada@example.org", { tags: ["a"] }] });
});

test("TestBroker.assertEnqueued says what was enqueued instead, the closest first", async () => {
  const { kit, mail, count } = makeKit();
  await using _ = kit;
  await count.send(1);
  await mail.send("bob@example.org", { subject: "Bye", tags: ["a"] });
  await mail.sendWithOptions({ args: ["ada@example.org", { subject: "Bye" }], delay: 1_000 });
  const text = textOf(() =>
    kit.assertEnqueued(mail, { args: ["ada@example.org", { subject: "Hello" }] })
  );
  assertEquals(text.split("\n"), [
    'Expected mail("ada@example.org", {"subject":"Hello"}) to be enqueued, but it was not',
    "Enqueued instead, the closest first:",
    '  mail("ada@example.org", {"subject":"Bye"}) in 1000 ms: args[1].subject is "Bye", not "Hello"',
    '  mail("bob@example.org", {"subject":"Bye","tags":["a"]}): args[0] is "bob@example.org", ' +
    'not "ada@example.org", args[1].subject is "Bye", not "Hello", ' +
    'args[1].tags is one too many: ["a"]',
    "  count(1): of another actor",
  ]);
});

test("TestBroker.assertEnqueued says how often a message was enqueued", async () => {
  const { kit, count } = makeKit();
  await using _ = kit;
  assertEquals(textOf(() => kit.assertEnqueued(count)).split("\n"), [
    "Expected count(…) to be enqueued, but it was not",
    "Nothing else was enqueued",
  ]);
  for (let n = 0; n < 12; n++) await count.send(n);
  const [first] = textOf(() => kit.assertEnqueued(count, { times: 2 })).split("\n");
  assertEquals(first, "Expected count(…) to be enqueued 2 times, but it was 12 times");
  const lines = textOf(() => kit.assertEnqueued(count, { args: [99], delay: 5 })).split("\n");
  assertEquals(lines[0], "Expected count(99) in 5 ms to be enqueued, but it was not");
  assertEquals(lines[2], "  count(0): args[0] is 0, not 99, delay is none, not 5 ms");
  assertEquals([lines.length, lines.at(-1)], [13, "  … and 2 more"]);
});

test("TestBroker.assertNotEnqueued says what was enqueued", async () => {
  const { kit, count } = makeKit();
  await using _ = kit;
  kit.assertNotEnqueued(count);
  await count.send(1);
  assertEquals(textOf(() => kit.assertNotEnqueued(count)).split("\n"), [
    "Expected count(…) not to be enqueued, but it was one time:",
    "  count(1)",
  ]);
});

test("TestBroker.assertEnqueued fails where it was called", async () => {
  const { kit, count } = makeKit();
  await using _ = kit;
  const error = assertThrows(() => {
    kit.assertEnqueued(count); // not a tail call, which Bun leaves out of the stack
  }, AssertionError);
  assertEquals(error.name, "AssertionError");
  assertEquals(Object.keys(error).filter((key) => key !== "name"), []); // what frameworks print
  const [line] = error.stack!.split("\n").filter((one) => /^ +at /.test(one));
  assert(line!.includes("assertions_test.ts"), error.stack);
});

test("TestBroker.assertEnqueued refuses options that it does not know, and other brokers' actors", async () => {
  const { kit } = makeKit();
  const { kit: other, count } = makeKit();
  await using _ = kit;
  await using __ = other;
  assertThrows(() => kit.assertEnqueued(count), TypeError, "it is declared on another broker");
  const misspelt = { arguments: [1] } as never;
  assertThrows(() => kit.assertEnqueued("count", misspelt), TypeError, "no option arguments");
  assertThrows(() => kit.assertEnqueued("count", { times: -1 }), RangeError, "Cannot expect -1");
});

test("Two TestBrokers at the same time do not see each other", async () => {
  const [one, two] = [makeKit(), makeKit()];
  await using _ = one.kit;
  await using __ = two.kit;
  await Promise.all([one.count.send(1), two.count.sendWithOptions({ args: [2], delay: 60_000 })]);
  const [runs] = await Promise.all([one.kit.drain(), two.kit.advance({ seconds: 30 })]);
  assertEquals(runs.map(({ message }) => message.args), [[1]]);
  assertEquals(two.kit.now - one.kit.now, 30_000);
  one.kit.assertNotEnqueued("count", { args: [2] });
});

test("TestBroker takes the place of a broker until it is closed", async () => {
  const app = new StubBroker();
  await using _ = app;
  setBroker(app);
  const count = actor((_n: number) => {}, { actorName: "count" });
  {
    await using kit = new TestBroker({ replaces: app });
    assertEquals([getBroker(), count.broker], [kit, kit]);
    await count.send(1);
    assertEquals((await kit.drain()).length, 1);
    assertThrows(() => new TestBroker({ actors: [count] }), TypeError, "another TestBroker has it");
  }
  assertEquals([getBroker(), count.broker], [app, app]);
  await using again = new TestBroker({ actors: [count] });
  assertEquals([getBroker(), count.broker], [app, again]);
  again.assertNotEnqueued(count);
});

test("TestBroker gives actors back if it refuses one of them", async () => {
  const app = new StubBroker({ middleware: [{ actorOptions: ["colour"] }] });
  await using _ = app;
  const plain = actor(() => {}, { broker: app, actorName: "plain" });
  const red = actor(() => {}, { broker: app, actorName: "red", colour: "red" });
  assertThrows(() => new TestBroker({ replaces: app }), TypeError, "colour");
  assertEquals([plain.broker, red.broker], [app, app]);
});

test("VirtualClock refuses what is no time", async () => {
  assertThrows(() => new VirtualClock("soon"), RangeError, "Cannot set a clock to soon");
  assertThrows(() => new TestBroker({ now: NaN }), RangeError);
  await using kit = new TestBroker();
  await assertRejects(() => kit.drain({ until: NaN }), RangeError, "Cannot drain until NaN");
});
