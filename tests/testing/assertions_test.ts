import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { actor, JSONEncoder, Message, PickleEncoder, setEncoder } from "@dq/dramatiq";
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

test("TestBroker.assertEnqueued finds a message by its actor and expected fields", async () => {
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
  class AsymmetricMatcher {} // as in @std/expect
  class Any extends AsymmetricMatcher {
    equals = (value: unknown) => value === "Hello";
  }
  kit.assertEnqueued(mail, { args: ["ada@example.org", { subject: new Any() as never }] });
  const any = textOf(() => kit.assertEnqueued(mail, { args: [new Any() as never, {}] }));
  assert(any.includes('args[0] is "ada@example.org", not Any'), any);
  const never = { asymmetricMatch: () => false, toString: () => "Never" } as never;
  kit.assertEnqueued(mail, { args: ((args: unknown[]) => args.length === 2) as never });
  const text = textOf(() => kit.assertEnqueued(mail, { args: never, kwargs: never }));
  assert(text.startsWith("Expected mail(args=Never, kwargs=Never) to be"), text);
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

test("TestBroker.assertEnqueued refuses unknown options, and actors of other brokers", async () => {
  const { kit } = makeKit();
  const { kit: other, count } = makeKit();
  await using _ = kit;
  await using __ = other;
  assertThrows(() => kit.assertEnqueued(count), TypeError, "it is declared on another broker");
  const misspelt = { arguments: [1] } as never;
  assertThrows(() => kit.assertEnqueued("count", misspelt), TypeError, "no option arguments");
  assertThrows(() => kit.assertEnqueued("count", { times: -1 }), RangeError, "Cannot expect -1");
});

test("VirtualClock refuses invalid times", async () => {
  assertThrows(() => new VirtualClock("soon"), RangeError, "Cannot set a clock to soon");
  assertThrows(() => new TestBroker({ now: NaN }), RangeError);
  await using kit = new TestBroker();
  await assertRejects(() => kit.drain({ until: NaN }), RangeError, "Cannot drain until NaN");
});

test("TestBroker.assertEnqueued compares nothing but lists and plain objects by content", async () => {
  await using kit = new TestBroker();
  const any = actor((_value: unknown) => {}, { broker: kit, actorName: "any" });
  const day = new Date(0);
  class User {}
  const others = {
    Map: new Map([["a", 1]]),
    Set: new Set([1]),
    Date: day,
    RegExp: /a/,
    User: new User(),
  };
  await any.send({});
  for (const [name, value] of Object.entries({ ...others, Error: new Error("it broke") })) {
    kit.assertNotEnqueued(any, { args: [value] });
    const text = textOf(() => kit.assertEnqueued(any, { args: [value] }));
    assert(text.includes(`args[0] is {}, not ${name}`), text);
  }
  kit.assertEnqueued(any, { args: [Object.create(null)] });
  kit.clearEnqueued();
  await any.send(10);
  const differences = [10n, "10", day, { a: 1n }, [undefined], new Map([[1, "b"]])].map((value) => {
    const text = textOf(() => kit.assertEnqueued(any, { args: [value] }));
    return text.slice(text.indexOf("args[0]"));
  });
  assertEquals(differences, [
    "args[0] is 10, not 10n",
    'args[0] is 10, not "10"',
    "args[0] is 10, not Date(1970-01-01T00:00:00.000Z)",
    'args[0] is 10, not {"a":1n}',
    "args[0] is 10, not [undefined]",
    'args[0] is 10, not Map([1,"b"])',
  ]);
});

test("TestBroker.assertEnqueued compares the classes that PickleEncoder carries", async () => {
  await using kit = new TestBroker();
  const any = actor((_value: unknown) => {}, { broker: kit, actorName: "any" });
  setEncoder(new PickleEncoder());
  try {
    await any.send([new Date(5), new Set([1]), Uint8Array.of(1), new Map([[1, 2]])]);
    const values = (date: number, item: number) => [
      new Date(date),
      new Set([item]),
      Uint8Array.of(item),
      new Map([[item, 2]]),
    ];
    kit.assertEnqueued(any, { args: [values(5, 1)] });
    const text = textOf(() => kit.assertEnqueued(any, { args: [values(6, 3)] }));
    assertEquals(text.match(/args\[0\]\[\d\] is|and \d more/g)!.length, 4, text);
  } finally {
    setEncoder(new JSONEncoder());
  }
});

test("TestBroker refuses matchers of bun:test", async () => {
  const { kit, count } = makeKit();
  await using _ = kit;
  await count.send(1);
  const bun = "bun:test"; // a literal would make Deno's type checker look for the module
  const matcher = "Bun" in globalThis
    ? (await import(bun)).expect.any(Number)
    : { [Symbol.toStringTag]: "ExpectAny" } as never;
  const refused = "Cannot compare args[0] with a matcher of bun:test (ExpectAny)";
  assertThrows(() => kit.assertEnqueued(count, { args: [matcher] }), TypeError, refused);
  assertThrows(() => kit.assertNotEnqueued(count, { args: [matcher] }), TypeError, refused);
});

test("TestBroker refuses to search for messages of undeclared actors", async () => {
  const { kit, count } = makeKit();
  await using _ = kit;
  const unknown = "no actor of that name is declared on the TestBroker; declared: mail, count";
  assertThrows(() => kit.assertNotEnqueued("coumt"), TypeError, unknown);
  assertThrows(() => kit.assertEnqueued("coumt"), TypeError, unknown);
  assertThrows(() => kit.enqueued("coumt"), TypeError, unknown);
  const bare = function add() {};
  for (
    const [value, shown] of [
      [undefined, "undefined"],
      [null, "null"],
      [5, "5"],
      [{}, "an object"],
      [
        bare,
        "function add",
      ],
    ]
  ) {
    const text = `${shown}: it is not an actor`;
    assertThrows(() => kit.enqueued(value as never), TypeError, text);
    assertThrows(() => kit.assertEnqueued(value as never), TypeError, text);
    assertThrows(() => kit.assertNotEnqueued(value as never), TypeError, text);
    await assertRejects(() => kit.runActor(value as never), TypeError, text);
  }
  await assertRejects(() => kit.runActor("count" as never), TypeError, "Cannot run count");
  // Actors of other programs have messages here, and are not declared.
  await kit.enqueue(new Message({ queueName: "default", actorName: "python", args: [] }));
  assertEquals(kit.assertEnqueued("python").length, 1);
  kit.clearEnqueued();
  kit.assertNotEnqueued("python");
  assertEquals(kit.enqueued(count), []);
});

test("TestBroker refuses invalid options with the reason", async () => {
  for (
    const [options, error, text] of [
      [{ concurrency: 0 }, RangeError, "concurrency must be a whole number above 0, not 0"],
      [{ concurrency: "2" }, RangeError, 'not "2"'],
      [{ mode: "inlin" }, RangeError, 'mode must be "manual", "inline", "fake", not "inlin"'],
      [{ replaces: "x" }, TypeError, 'replaces must be a broker, not "x"'],
      [{ replaces: null }, TypeError, "replaces must be a broker, not null"],
      [{ actors: 5 }, TypeError, "actors must be a list of actors, not 5"],
      [{ actors: ["add"] }, TypeError, 'actors must be actors, as actor() makes them, not "add"'],
      [
        { middleware: 5 },
        TypeError,
        "middleware must be a list, or a function that makes it, not 5",
      ],
      [{ middleware: () => 5 }, TypeError, "the function middleware must return a list, not 5"],
      [{ clock: 3 }, TypeError, "clock must be a VirtualClock, not 3"],
      [{ now: null }, RangeError, "Cannot set a clock to null"],
    ] as const
  ) assertThrows(() => new TestBroker(options as never), error, text);
  const { kit, count } = makeKit();
  await using _ = kit;
  for (
    const [options, error, text] of [
      [
        { maxRuns: NaN },
        RangeError,
        "Cannot drain: maxRuns must be a whole number above 0, not NaN",
      ],
      [{ timeout: -1 }, RangeError, "Cannot drain: timeout must be above 0 ms, not -1"],
      [{ timeout: "x" }, RangeError, 'timeout must be above 0 ms, not "x"'],
      [{ raise: 0 }, TypeError, "Cannot drain: raise must be true or false, not 0"],
      [{ skipWhileRunning: 1 }, TypeError, "skipWhileRunning must be true or false, not 1"],
      [{ until: null }, RangeError, "Cannot drain until null: it is not a time"],
      [{ rais: true }, TypeError, "Cannot drain: it has no option rais;"],
      [null, TypeError, "Cannot drain: its options must be an object, not null"],
    ] as const
  ) await assertRejects(() => kit.drain(options as never), error, text);
  const until = { until: 5 } as never;
  await assertRejects(() => kit.advance(1, until), TypeError, "Cannot advance: it has no option");
  await assertRejects(
    () => kit.runActor(count.message(1), until),
    TypeError,
    "Cannot run the actor",
  );
  for (
    const [expected, error, text] of [
      [{ args: "ada" }, TypeError, 'args must be an array, not "ada"'],
      [{ kwargs: [1] }, TypeError, "kwargs must be an object, not [1]"],
      [{ queueName: 5 }, TypeError, "queueName must be a text, not 5"],
      [{ delay: "x" }, TypeError, "Cannot use x as delay"],
      [null, TypeError, "Cannot compare messages: its options must be an object, not null"],
    ] as const
  ) {
    assertThrows(() => kit.assertEnqueued(count, expected as never), error, text);
    assertThrows(() => kit.assertNotEnqueued(count, expected as never), error, text);
  }
  const times = { times: 0 } as never;
  assertThrows(() => kit.assertNotEnqueued(count, times), TypeError, "it has no option times");
});
