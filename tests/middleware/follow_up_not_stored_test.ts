import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  actor,
  ConnectionClosed,
  defaultMiddleware,
  FollowUpNotStored,
  type Message,
  type MessageProxy,
  type Middleware,
  pipeline,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { Recorder } from "../support/recorder.ts";
import { test } from "../support/test.ts";
import { WireJournal } from "./wire_journal.ts";

/** Refuses to store some messages. */
class RefusingBroker extends StubBroker {
  /** Gives the error with which a message is refused, if it is. */
  refuse: (message: Message) => Error | undefined = () => undefined;

  protected override store(messages: readonly Message[]): void {
    for (const message of messages) {
      const error = this.refuse(message);
      if (error !== undefined) throw error;
    }
    super.store(messages);
  }
}

interface Fixture {
  readonly clock: FakeClock;
  readonly broker: RefusingBroker;
  readonly journal: WireJournal;
  readonly recorder: Recorder;
  /** Arguments of the actor `next`, the callback of a message. */
  readonly told: (readonly unknown[])[];
  /** Works until nothing is left to do. */
  run(): Promise<void>;
}

function setFixture(): Fixture {
  const clock = new FakeClock();
  const journal = new WireJournal();
  const recorder = new Recorder();
  const middleware = [journal, recorder, ...defaultMiddleware()];
  const broker = new RefusingBroker({ clock, failFast: false, middleware });
  const told: (readonly unknown[])[] = [];
  actor((...args: unknown[]) => {
    told.push(args);
  }, { broker, actorName: "next", queueName: "later" });
  const run = async () => {
    await using worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    await clock.waitFor(broker.join("default"));
    await clock.waitFor(broker.join("later"));
  };
  return { clock, broker, journal, recorder, told, run };
}

/** Refuses a message that fits so many times, as a server does that is away for a while. */
function awayFor(times: number, fits: (message: Message) => boolean): RefusingBroker["refuse"] {
  let left = times;
  return (message) => {
    if (left === 0 || !fits(message)) return undefined;
    left -= 1;
    return new ConnectionClosed("The server is away");
  };
}

/** More attempts than storing a follow-up takes before its message is requeued. */
const LONG = 5;

const isRetry = (message: Message) => message.queueName.endsWith(".DQ");
const isForNext = (message: Message) => message.actorName === "next";

const refused = new TypeError("The server does not want it");
const wantsNone = (fits: (message: Message) => boolean) => (message: Message) =>
  fits(message) ? refused : undefined;

function settled({ journal }: Fixture): string[] {
  return journal.events.filter(({ event }) => event !== "enqueue")
    .map(({ event, queue_name }) => `${event} ${queue_name}`);
}

function assertDeadOf(fixture: Fixture, cause: unknown): void {
  const [dead, ...others] = fixture.broker.allDeadLetters;
  assertEquals(others, []);
  assertInstanceOf(dead?.exception, FollowUpNotStored);
  assertEquals(dead.exception.cause, cause);
}

test("Retries stores a retry when the server is back, without another run", async () => {
  const fixture = setFixture();
  const { broker, journal } = fixture;
  let runs = 0;
  const failing = actor(function failing() {
    runs += 1;
    if (runs === 1) throw new Error("nope");
  }, { broker });
  broker.refuse = awayFor(LONG - 1, isRetry);
  const { messageId } = await failing.send();
  await fixture.run();
  assertEquals(runs, 2);
  assertEquals(settled(fixture), ["ack default", "ack default.DQ", "ack default"]);
  assertEquals(new Set(journal.events.map(({ message }) => message)), new Set([messageId]));
  assertEquals(broker.allDeadLetters, []);
});

test("Retries gives a message back when the server stays away", async () => {
  const fixture = setFixture();
  const { broker, journal, recorder } = fixture;
  let runs = 0;
  const failing = actor(function failing() {
    runs += 1;
    if (runs < 3) throw new Error("nope");
  }, { broker });
  broker.refuse = awayFor(LONG, isRetry);
  await failing.send();
  await fixture.run();
  assertEquals(runs, 3, "once more for the outage, once for the retry");
  assertEquals(settled(fixture), ["ack default", "ack default.DQ", "ack default"]);
  // The second run counts as the first attempt: the one before left no trace.
  const retries = journal.events.filter(({ delay }) => delay !== undefined)
    .map(({ options }) => (options as Record<string, unknown>)["retries"]);
  assertEquals(retries, [1]);
  const done = recorder.events.filter(({ hook }) => hook === "after_process_message").length;
  assertEquals(done, 3);
  assertEquals(broker.allDeadLetters, []);
});

for (const [times, ran] of [[1, 1], [LONG, 2]] as const) {
  test(`Callbacks sends a callback after ${times} refusals, and runs the actor ${ran} times`, async () => {
    const fixture = setFixture();
    const { broker, told } = fixture;
    let runs = 0;
    const work = actor(function work() {
      return ++runs;
    }, { broker, onSuccess: "next" });
    broker.refuse = awayFor(times, isForNext);
    await work.send();
    await fixture.run();
    assertEquals(told.map(([, result]) => result), [ran]);
    assertEquals(settled(fixture), ["ack default", "ack later"]);
  });

  test(`Pipelines sends a target after ${times} refusals, and runs the actor ${ran} times`, async () => {
    const fixture = setFixture();
    const { broker, told } = fixture;
    let runs = 0;
    const work = actor(function work() {
      return ++runs;
    }, { broker });
    broker.refuse = awayFor(times, isForNext);
    const next = broker.getActor("next").message();
    await pipeline([work.message(), next], { broker }).run();
    await fixture.run();
    assertEquals(told, [[ran]]);
    assertEquals(settled(fixture), ["ack default", "ack later"]);
  });
}

test("Callbacks does not double a message whose retry is stored, however long it is away", async () => {
  const fixture = setFixture();
  const { broker, told } = fixture;
  let runs = 0;
  const failing = actor(function failing() {
    runs += 1;
    throw new Error("nope");
  }, { broker, onFailure: "next", maxRetries: 3 });
  broker.refuse = awayFor(3 * LONG + 1, isForNext);
  await failing.send();
  await fixture.run();
  // The callbacks of three attempts are lost, that of the last one came through.
  assertEquals([runs, told.length, broker.allDeadLetters.length], [4, 1, 1]);
});

test("Retries reports an exhausted message only once, after a short outage", async () => {
  const fixture = setFixture();
  const { broker, told } = fixture;
  const failing = actor(function failing() {
    throw new Error("nope");
  }, { broker, maxRetries: 0, onRetryExhausted: "next" });
  broker.refuse = awayFor(1, isForNext);
  await failing.send();
  await fixture.run();
  assertEquals(told.map(([, end]) => end), [{ retries: 0, max_retries: 0 }]);
  assertEquals(settled(fixture), ["nack default", "ack later"]);
  assertEquals(broker.allDeadLetters.length, 1);
});

test("Worker keeps a delayed message that cannot be put on its queue for a moment", async () => {
  const fixture = setFixture();
  const { broker } = fixture;
  let runs = 0;
  const work = actor(function work() {
    runs += 1;
  }, { broker });
  await work.sendWithOptions({ delay: 5_000 });
  broker.refuse = awayFor(3, ({ queueName }) => queueName === "default");
  await fixture.run();
  assertEquals(runs, 1);
  assertEquals(settled(fixture).toSorted(), ["ack default", "ack default.DQ"]);
});

test("Worker buries a delayed message that its queue will never take", async () => {
  const fixture = setFixture();
  const { broker } = fixture;
  const work = actor(function work() {}, { broker });
  await work.sendWithOptions({ delay: 5_000 });
  broker.refuse = wantsNone(({ queueName }) => queueName === "default");
  await fixture.run();
  assertEquals(settled(fixture), ["nack default.DQ"]);
  assertEquals(broker.allDeadLetters.map(({ exception }) => exception), [refused]);
});

test("Retries buries a message whose retry will never be stored", async () => {
  const fixture = setFixture();
  const { broker } = fixture;
  let runs = 0;
  const failing = actor(function failing() {
    runs += 1;
    throw new Error("nope");
  }, { broker });
  broker.refuse = wantsNone(isRetry);
  await failing.send();
  await fixture.run();
  assertEquals(runs, 1);
  assertEquals(settled(fixture), ["nack default"]);
  assertDeadOf(fixture, refused);
});

test("Callbacks buries a message whose callback will never be stored", async () => {
  const fixture = setFixture();
  const { broker, told } = fixture;
  const work = actor(function work() {}, { broker, onSuccess: "next" });
  broker.refuse = wantsNone(isForNext);
  await work.send();
  await fixture.run();
  assertEquals(told, []);
  assertEquals(settled(fixture), ["nack default"]);
  assertDeadOf(fixture, refused);
  const dead = broker.allDeadLetters[0]!.deadLetter.options;
  assert(dead.traceback?.startsWith("FollowUpNotStored: "), "the dead letter tells why");
});

test("Pipelines buries a message whose target will never be stored", async () => {
  const fixture = setFixture();
  const { broker } = fixture;
  const work = actor(function work() {}, { broker });
  broker.refuse = wantsNone(isForNext);
  const next = broker.getActor("next").message();
  await pipeline([work.message(), next], { broker }).run();
  await fixture.run();
  assertEquals(settled(fixture), ["nack default"]);
  assertDeadOf(fixture, refused);
});

test("Callbacks loses a callback rather than keep a second copy beside the retry", async () => {
  const fixture = setFixture();
  const { broker } = fixture;
  let runs = 0;
  const failing = actor(function failing() {
    runs += 1;
    if (runs === 1) throw new Error("nope");
  }, { broker, onFailure: "next" });
  broker.refuse = wantsNone(isForNext);
  await failing.send();
  await fixture.run();
  assertEquals(runs, 2);
  assertEquals(settled(fixture), ["ack default", "ack default.DQ", "ack default"]);
  assertEquals(broker.allDeadLetters, []);
});

test("FollowUpNotStored of any middleware keeps a message from being acknowledged", async () => {
  const fixture = setFixture();
  const { broker, recorder } = fixture;
  const cause = new Error("disk full");
  const storing: Middleware = {
    afterProcessMessage: (_broker: unknown, _message: MessageProxy) => {
      throw new FollowUpNotStored("Cannot store the result", { cause });
    },
  };
  broker.addMiddleware(storing);
  const work = actor(function work() {}, { broker });
  await work.send();
  await fixture.run();
  assertEquals(settled(fixture), ["nack default"]);
  assertDeadOf(fixture, cause);
  // It is the last of the list, so the first of the after hooks: the others still had theirs.
  assertEquals(recorder.events.some(({ hook }) => hook === "after_process_message"), true);
});
