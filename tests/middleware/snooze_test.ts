import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  actor,
  type ActorOptions,
  AgeLimit,
  Callbacks,
  currentMessage,
  type DeadLetter,
  type MessageOptions,
  type MessageProxy,
  type Middleware,
  Prometheus,
  RateLimitExceeded,
  ResultMissing,
  Results,
  Retries,
  Retry,
  Snooze,
  StubBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { withLog } from "../support/log.ts";
import { test } from "../support/test.ts";

/** Outcome of a message. */
interface Outcome {
  /** When each run began, in milliseconds since the message was sent. */
  readonly runs: number[];
  /** Number of times it had been snoozed and retried, run by run. */
  readonly counts: [snoozes: number, retries: unknown][];
  readonly dead: readonly MessageProxy[];
  readonly told: string[];
  readonly metrics: string;
  readonly broker: StubBroker;
}

/** Runs an actor until its message is done or dead. */
async function run(
  fn: (run: number) => unknown,
  options: ActorOptions = {},
  ofMessage: MessageOptions = {},
  others: readonly Middleware[] = [],
): Promise<Outcome> {
  const clock = new FakeClock();
  const prometheus = new Prometheus();
  const middleware = [prometheus, new AgeLimit(), new Callbacks(), new Retries(), ...others];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  const [runs, counts, told] = [[], [], []] as [number[], [number, unknown][], string[]];
  const start = clock.now();
  actor((_message: unknown, error: { type: string }) => void told.push(error.type), {
    broker,
    actorName: "told",
  });
  const work = actor(() => {
    const message = currentMessage()!;
    runs.push(clock.now() - start);
    counts.push([message.snoozes, message.option("retries") ?? 0]);
    return fn(runs.length);
  }, {
    broker,
    actorName: "work",
    onFailure: "told",
    minBackoff: 100,
    maxBackoff: 100,
    ...options,
  });
  await using worker = new Worker(broker);
  await worker.start();
  const message = work.messageWithOptions({ ...ofMessage });
  await broker.enqueue(message.copy({ messageTimestamp: start }));
  await clock.waitFor(broker.join("default"));
  const response = await prometheus.metricsHandler(new Request("http://localhost/metrics"));
  const metrics = await response.text();
  return { runs, counts, dead: broker.allDeadLetters, told, metrics, broker };
}

const snoozeTimes = (times: number, delay = 1_000, max?: number) => (n: number) => {
  if (n <= times) throw new Snooze(delay, max === undefined ? {} : { max });
};

test("Snooze runs a message again after its delay, and counts apart from retries", async () => {
  const { runs, counts, dead } = await run((n) => {
    if (n === 1) throw new Snooze({ minutes: 5 });
    if (n === 2) throw new Error("a failure between");
    if (n === 3) throw new Snooze(1_000);
  });
  assertEquals(runs, [0, 300_000, 300_100, 301_100]);
  assertEquals(counts, [[0, 0], [1, 0], [1, 1], [2, 1]]);
  assertEquals(dead, []);
});

test("Snooze leaves the traceback of an earlier failure alone", async () => {
  const tracebacks: unknown[] = [];
  await run((n) => {
    tracebacks.push(currentMessage()!.option("traceback"));
    if (n === 1) throw new Error("the failure");
    if (n === 2) throw new Snooze(1_000);
  });
  assertEquals(tracebacks.length, 3);
  assertMatch(String(tracebacks[1]), /the failure/);
  assertEquals(tracebacks[2], tracebacks[1]);
});

test("Snooze makes no message younger: maxAge counts from the first send", async () => {
  const { runs, dead } = await run(snoozeTimes(99), { maxAge: 2_500 });
  assertEquals([runs, dead.length], [[0, 1_000, 2_000], 1]);
});

test("Snooze stores no result: waiters get that of the run which ends the message", async () => {
  const backend = new StubResultBackend();
  const missing: unknown[] = [];
  await run(
    async (n) => {
      const error = await currentMessage()!.getResult({ backend }).catch((error) => error);
      missing.push(error instanceof ResultMissing);
      if (n < 3) throw new Snooze(1_000);
      return n;
    },
    { storeResults: true },
    {},
    [
      new Results({ backend }),
      {
        afterAck: async (_broker, { message, retried }) => {
          if (!retried) missing.push(await message.getResult({ backend }));
        },
      },
    ],
  );
  assertEquals(missing, [true, true, true, 3]);
});

test("Snooze counts in an option that any peer carries along, snoozes", async () => {
  const { broker } = await run(snoozeTimes(99), { maxRetries: 0, maxSnoozes: 2 });
  const [letter] = broker.allDeadLetters;
  const { options } = JSON.parse(String(letter!.message.encode()));
  assertEquals(options.snoozes, 2);
});

test("Snooze leaves retries alone: any number of snoozes uses up none", async () => {
  const { runs, dead } = await run(snoozeTimes(50), { maxRetries: 0 });
  assertEquals([runs.length, dead.length], [51, 0]);
});

test("Snooze is no failure: no onFailure, no traceback, no error in the metrics", async () => {
  const { told, metrics } = await run((n) => {
    if (n === 1) throw new Snooze(1);
    assertEquals(currentMessage()!.option("traceback"), undefined);
  });
  assertEquals(told, []);
  const labels = `{actor_name="work",queue_name="default"}`;
  const value = (name: string) =>
    metrics.split("\n").find((line) => line.startsWith(name + labels))?.split(" ").at(-1);
  assertEquals(value("dramatiq_snoozed_messages_total"), "1");
  assertEquals(value("dramatiq_message_errors_total"), "0");
  assertEquals(value("dramatiq_message_retries_total"), "0");
  assertEquals(value("dramatiq_messages_total"), "2");
});

test("Snooze is logged at level info", async () => {
  await withLog({ category: ["dramatiq"] }, async (lines) => {
    await run(snoozeTimes(1));
    const failures = lines.filter(({ level }) => level !== "info");
    assertEquals(failures, []);
    const text = "Snoozing message {messageId} of {actor} for {delay} ms";
    assertEquals(lines.filter(({ rawMessage }) => rawMessage === text).length, 1);
  });
});

for (
  const [where, ofActor, ofMessage, max] of [
    ["the actor", { maxSnoozes: 2 }, {}, undefined],
    ["the message, over that of the actor", { maxSnoozes: 9 }, { maxSnoozes: 2 }, undefined],
    ["the Snooze, over both", { maxSnoozes: 9 }, { maxSnoozes: 8 }, 2],
  ] as const
) {
  test(`Snooze past the limit of ${where} is a failure like any other`, async () => {
    const options = { maxRetries: 0, ...ofActor };
    const { runs, dead, told } = await run(snoozeTimes(99, 1_000, max), options, ofMessage);
    assertEquals([runs.length, dead.length, told], [3, 1, ["Snooze"]]);
    assertEquals(dead[0]!.exception instanceof Snooze, true);
  });
}

test("Snooze without a limit: null on the message lifts that of the actor", async () => {
  const options = { maxRetries: 0, maxSnoozes: 1 };
  const { runs, dead } = await run(snoozeTimes(5), options, { maxSnoozes: null });
  assertEquals([runs.length, dead.length], [6, 0]);
});

test("DeadLetter.requeue has snoozes counted from 0 again", async () => {
  const { broker } = await run(snoozeTimes(99), { maxRetries: 0, maxSnoozes: 2 });
  const dead: DeadLetter[] = [];
  for await (const letter of broker.deadLetters("default")) dead.push(letter);
  assertEquals(dead[0]!.message.option("snoozes"), 2);
  await dead[0]!.requeue();
  const consumer = broker.consume("default");
  const [message] = await consumer.receive(1);
  assertEquals(message!.snoozes, 0);
  await consumer.close();
});

test("snoozeWhenLimited makes a snooze of RateLimitExceeded, whose wait does not grow", async () => {
  const refuse = (n: number) => {
    if (n <= 3) throw new RateLimitExceeded("full");
  };
  const snoozed = await run(refuse, { snoozeWhenLimited: true, maxRetries: 0 });
  assertEquals(snoozed.runs, [0, 100, 200, 300]);
  assertEquals([snoozed.told, snoozed.dead], [[], []]);
  const failed = await run(refuse, { maxRetries: 0 });
  assertEquals([failed.runs.length, failed.dead.length], [1, 1]);
});

test("Snooze and its options refuse what makes no sense", () => {
  assertThrows(() => new Snooze(-1), RangeError, "Cannot snooze for -1 ms");
  assertThrows(() => new Snooze(NaN), RangeError, "NaN");
  assertThrows(() => new Snooze("1" as unknown as number), TypeError);
  assertThrows(() => new Snooze(1, { max: 0.5 }), RangeError, "0.5 times");
  const broker = new StubBroker();
  const declare = (options: ActorOptions) => () =>
    actor(() => {}, { broker, actorName: "work", ...options });
  assertThrows(declare({ maxSnoozes: -1 }), RangeError, "its maxSnoozes must be a number");
  const wrong = { snoozeWhenLimited: 1 } as unknown as ActorOptions;
  assertThrows(declare(wrong), TypeError, "its snoozeWhenLimited must be true or false");
});

test("Snooze carries what it is given", () => {
  const cause = new Retry("why");
  const snooze = new Snooze({ seconds: 2 }, { reason: "not paid", max: 3, cause });
  assertEquals([snooze.delay, snooze.max, snooze.message], [2_000, 3, "not paid"]);
  assertEquals(snooze.cause, cause);
  assertMatch(String(snooze), /^Snooze: not paid$/);
});
