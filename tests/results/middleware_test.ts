import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  ConnectionClosed,
  type Encoded,
  FollowUpNotStored,
  Message,
  type Middleware,
  ResultFailure,
  ResultMissing,
  Results,
  type ResultsOptions,
  SkipMessage,
  StubBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** More attempts than an operation takes before its message is requeued. */
const LONG = 5;

/** Fails to store, as a server does that is away or full. */
class FailingBackend extends StubResultBackend {
  /** Errors of the next attempts. */
  failures: Error[] = [];
  /** When something was stored. */
  readonly events: string[];

  constructor(clock: FakeClock, events: string[]) {
    super({ clock });
    this.events = events;
  }

  protected override store(key: string, data: Encoded, ttl: number): Promise<void> {
    const failure = this.failures.shift();
    this.events.push(failure === undefined ? `stored ${data}` : "not stored");
    return failure === undefined ? super.store(key, data, ttl) : Promise.reject(failure);
  }
}

function setFixture(options: Partial<ResultsOptions> = {}) {
  const clock = new FakeClock();
  const events: string[] = [];
  const backend = new FailingBackend(clock, events);
  const broker = new StubBroker({ clock, failFast: false });
  const journal: Middleware = {
    beforeAck: () => void events.push("ack"),
    beforeNack: () => void events.push("nack"),
  };
  broker.addMiddleware(new Results({ backend, storeResults: true, ...options }));
  broker.addMiddleware(journal); // before… hooks after those of Results
  const run = async () => {
    const worker = new Worker(broker);
    await worker.start();
    await clock.waitFor(broker.join("default", { timeout: 86_400_000 }));
    await clock.waitFor(worker.stop(0));
  };
  return { clock, events, backend, broker, run };
}

const away = (times: number) =>
  Array.from({ length: times }, () => new ConnectionClosed("The server is away"));

test("Results stores a result before its message is acknowledged", async () => {
  const { broker, backend, events, run } = setFixture();
  const one = actor(() => 1, { broker, actorName: "one" });
  const message = await one.send();
  await run();
  assertEquals(events, ["stored 1", "ack"]);
  assertEquals(await message.getResult({ backend }), 1);
});

test("Results stores a failure before its message goes to the dead letters", async () => {
  const { broker, events, run } = setFixture();
  await actor(() => {
    throw new Error("nope");
  }, { broker, actorName: "one", maxRetries: 1, minBackoff: 1, maxBackoff: 1 }).send();
  await run();
  const failure = '{"__t":"dramatiq.results.Result","exn":{"type":"Error","msg":"nope"}}';
  // The first failure is acknowledged for its retry, which was delayed.
  assertEquals(events, ["ack", "ack", `stored ${failure}`, "nack"]);
});

for (const [times, runs] of [[LONG - 1, 1], [LONG, 2]] as const) {
  test(`Results stores a result after ${times} failures, and runs the actor ${runs} times`, async () => {
    const { broker, backend, events, run } = setFixture();
    let ran = 0;
    const message = await actor(() => ++ran, { broker, actorName: "one" }).send();
    backend.failures = away(times);
    await run();
    assertEquals(ran, runs);
    assertEquals(events.slice(times), [`stored ${runs}`, "ack"]);
    assertEquals(await message.getResult({ backend }), runs);
    assertEquals(broker.allDeadLetters, []);
  });

  test(`Results stores a failure after ${times} failures, and runs the actor ${runs} times`, async () => {
    const { broker, backend, events, run } = setFixture();
    let ran = 0;
    const message = await actor(() => {
      throw new Error(`nope ${++ran}`);
    }, { broker, actorName: "one", maxRetries: 0 }).send();
    backend.failures = away(times);
    await run();
    assertEquals(ran, runs);
    assertEquals(events.at(-1), "nack");
    assertEquals(events.filter((event) => event === "nack").length, 1);
    await assertRejects(() => message.getResult({ backend }), ResultFailure, `nope ${runs}`);
    assertEquals(broker.allDeadLetters.length, 1);
  });

  test(`Results stores that a message was skipped after ${times} failures`, async () => {
    const { broker, backend, run } = setFixture();
    let ran = 0;
    const message = await actor(() => {
      ran += 1;
      throw new SkipMessage("not today");
    }, { broker, actorName: "one" }).send();
    backend.failures = away(times);
    await run();
    assertEquals([ran, await message.getResult({ backend })], [runs, null]);
    assertEquals(broker.allDeadLetters, []);
  });
}

test("Results dead-letters a message whose result can never be stored, and fails waiters", async () => {
  const { broker, backend, run } = setFixture();
  const odd = actor(() => new Map(), { broker, actorName: "odd" });
  const large = actor(() => "x", { broker, actorName: "large" });
  const messages = [await odd.send(), await large.send()];
  const waiting = messages.map((message) =>
    assertRejects(
      () => message.getResult({ backend, block: true, timeout: 86_400_000 }),
      ResultFailure,
      "actor raised FollowUpNotStored: Cannot store the result: ",
    )
  );
  backend.failures = [new RangeError("Too large")];
  await run();
  await Promise.all(waiting);
  assertEquals(broker.allDeadLetters.length, 2);
  for (const { exception } of broker.allDeadLetters) {
    assert(exception instanceof FollowUpNotStored);
  }
});

test("Results stores less of a failure that is too large", async () => {
  const { broker, backend, run } = setFixture();
  const message = await actor(() => {
    throw new Error("nope");
  }, { broker, actorName: "one", maxRetries: 0 }).send();
  backend.failures = [new RangeError("Too large")];
  await run();
  await assertRejects(() => message.getResult({ backend }), ResultFailure, "nope");
});

test("Results lets a message go to the dead letters whose failure can never be stored", async () => {
  const { broker, backend, run } = setFixture();
  const message = await actor(() => {
    throw new Error("nope");
  }, { broker, actorName: "one", maxRetries: 0 }).send();
  backend.failures = [new RangeError("Too large"), new RangeError("Still too large")];
  await run();
  assertEquals(broker.allDeadLetters.length, 1);
  await assertRejects(() => message.getResult({ backend }), ResultMissing);
});

test("Results takes that of the actor for a resultTtl that makes no sense on a message", async () => {
  const { clock, broker, backend, run } = setFixture();
  const options = { broker, resultTtl: 3_000 };
  const one = actor(() => 1, { ...options, actorName: "one" });
  const bad = actor(() => {
    throw new Error("nope");
  }, { ...options, actorName: "bad", maxRetries: 0 });
  const ttls: unknown[] = ["long", {}, true, NaN, 0, -1];
  const sent = await Promise.all(ttls.flatMap((resultTtl) => [
    one.sendWithOptions({ resultTtl: resultTtl as number }),
    bad.sendWithOptions({ resultTtl: resultTtl as number }),
  ]));
  await run();
  assertEquals(broker.allDeadLetters.length, ttls.length); // those that failed, and no others
  const outcomes = () =>
    Promise.all(
      sent.map((message) => message.getResult({ backend }).catch((error) => error.name)),
    );
  assertEquals(await outcomes(), ttls.flatMap(() => [1, "ResultFailure"]));
  await clock.advance(3_001);
  assertEquals(new Set(await outcomes()), new Set(["ResultMissing"]));
});

test("Results stores nothing for a message that is given back to its queue", async () => {
  const { clock, broker, events } = setFixture();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const endless = actor(() => {
    begin();
    return new Promise<void>(() => {});
  }, { broker, actorName: "endless" });
  await endless.send();
  const worker = new Worker(broker);
  await worker.start();
  await clock.waitFor(begun);
  await clock.waitFor(worker.stop(0));
  assertEquals(events, []);
});

test("Results stores stacks only where it is told to", async () => {
  for (const storeTracebacks of [false, true]) {
    const { broker, backend, run } = setFixture({ storeTracebacks });
    const message = await actor(function failing() {
      throw new Error("nope");
    }, { broker, maxRetries: 0 }).send();
    await run();
    const failure = await assertRejects(() => message.getResult({ backend }), ResultFailure);
    assertEquals(failure.origTraceback?.includes("failing") ?? false, storeTracebacks);
    assertEquals(failure.stack?.includes("failing") ?? false, false);
  }
});

test("Results keeps results for as long as message, actor and middleware say", async () => {
  const { clock, broker, backend, run } = setFixture({ resultTtl: { minutes: 1 } });
  const one = actor(() => 1, { broker, actorName: "one" });
  const two = actor(() => 2, { broker, actorName: "two", resultTtl: 90_000 });
  const messages = [
    await one.send(),
    await two.send(),
    await two.sendWithOptions({ resultTtl: 120_000 }),
  ];
  const alive = async () => {
    const results = await Promise.allSettled(messages.map((one) => one.getResult({ backend })));
    return results.map(({ status }) => status === "fulfilled");
  };
  await run();
  assertEquals(await alive(), [true, true, true]);
  await clock.advance(59_000);
  assertEquals(await alive(), [true, true, true]);
  await clock.advance(2_000);
  assertEquals(await alive(), [false, true, true]);
  await clock.advance(30_000);
  assertEquals(await alive(), [false, false, true]);
});

test("Results refuses options that make no sense", () => {
  const backend = new StubResultBackend();
  assertThrows(() => new Results({} as ResultsOptions), TypeError, "Cannot keep results in");
  for (const resultTtl of [0, -1]) {
    assertThrows(() => new Results({ backend, resultTtl }), RangeError, "must be above 0");
  }
  const broker = new StubBroker();
  broker.addMiddleware(new Results({ backend }));
  const declare = (options: object) => () =>
    actor(() => {}, { broker, actorName: "x", ...options });
  assertThrows(declare({ resultTtl: 0 }), RangeError, "its resultTtl must be a number above 0");
  assertThrows(declare({ resultTtl: "1" }), TypeError, "its resultTtl must be a number above 0");
  assertThrows(
    declare({ storeResults: "yes" }),
    TypeError,
    "its storeResults must be true or false",
  );
});

// Reference: Broker.get_results_backend
test("Broker.getResultBackend gives that of Results, and says what is missing", async () => {
  const broker = new StubBroker();
  assertThrows(() => broker.getResultBackend(), TypeError, "no Results middleware");
  const backend = new StubResultBackend();
  broker.addMiddleware(new Results({ backend }));
  assertEquals(broker.getResultBackend(), backend);
  const message = new Message({ queueName: "default", actorName: "one", args: [] });
  await assertRejects(() => message.getResult({ backend }), ResultMissing, message.messageId);
});
