import { assert, assertEquals } from "@std/assert";
import { actor, Retries, type RetriesOptions, StubBroker, Worker } from "@dq/dramatiq";
import fc from "fast-check";
import { computeBackoff } from "../../middleware/backoff.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { toCamelCase } from "../support/recorder.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/retries.json" with { type: "json" };
import { WireJournal } from "./wire_journal.ts";

interface BackoffCase {
  readonly label: string;
  readonly factor: number;
  readonly max_backoff: number | { readonly $int: string };
  readonly rows: readonly {
    readonly attempt: number;
    readonly min: number;
    readonly max: number;
    readonly without_jitter: number;
  }[];
}

interface WorkerDelays {
  readonly label: string;
  readonly actor_options: Readonly<Record<string, number>>;
  readonly retries_options: Readonly<Record<string, number>>;
  readonly rows: readonly {
    readonly retries_before: number;
    readonly min: number;
    readonly max: number;
  }[];
}

const SEVEN_DAYS = 604_800_000;
const ALMOST_ONE = 1 - 2 ** -53;
const SAMPLES = 10;

/** The rule of `backoff.about`: which delays are possible. */
function range(attempt: number, minBackoff: number, maxBackoff: number): [number, number] {
  const base = minBackoff * 2 ** Math.min(attempt, 32);
  if (2 * base <= maxBackoff) return [base, 2 * base];
  return [Math.min(base, maxBackoff / 2), maxBackoff];
}

function assertWithin(value: number, [low, high]: [number, number], what: string): void {
  assert(Math.floor(low) <= value && value <= high, `${what}: ${value} is not in ${low}…${high}`);
}

for (const one of vectors.backoff.cases as unknown as readonly BackoffCase[]) {
  const minBackoff = one.factor;
  const maxBackoff = typeof one.max_backoff === "number"
    ? one.max_backoff
    : Number(one.max_backoff.$int);

  test(`computeBackoff gives the delays of Python with ${one.label}`, () => {
    for (const { attempt, min, max, without_jitter } of one.rows) {
      const possible = range(attempt, minBackoff, maxBackoff);
      const what = `attempt ${attempt}`;
      assertWithin(min, possible, `${what} in Python`);
      assertWithin(max, possible, `${what} in Python`);
      for (const drawn of [0, 0.25, 0.5, 0.75, ALMOST_ONE]) {
        const options = { minBackoff, maxBackoff, random: () => drawn };
        assertWithin(computeBackoff(attempt, options), possible, what);
      }
      assertEquals(
        computeBackoff(attempt, { minBackoff, maxBackoff, jitter: false }),
        without_jitter,
        `${what} without jitter`,
      );
    }
  });
}

test("computeBackoff reaches both ends of the range", () => {
  const options = { minBackoff: 100, maxBackoff: 5_000 };
  assertEquals(computeBackoff(2, { ...options, random: () => 0 }), 400);
  assertEquals(computeBackoff(2, { ...options, random: () => ALMOST_ONE }), 800);
  assertEquals(computeBackoff(6, { ...options, random: () => 0 }), 2_500);
  assertEquals(computeBackoff(6, { ...options, random: () => ALMOST_ONE }), 5_000);
});

test("computeBackoff draws anew above the maximum instead of cutting off", () => {
  const draws = [0.9, 0.1];
  const options = { minBackoff: 100, maxBackoff: 150, random: () => draws.shift()! };
  assertEquals(computeBackoff(0, options), 82);
  assertEquals(draws, []);
});

test("computeBackoff gives a fixed backoff when minBackoff is maxBackoff", () => {
  for (const attempt of [0, 1, 20, 2_000]) {
    for (const drawn of [0, 0.5, ALMOST_ONE]) {
      const options = { minBackoff: 750, maxBackoff: 750, random: () => drawn };
      assertEquals(computeBackoff(attempt, options), 750);
    }
  }
});

test("computeBackoff keeps to the rule whatever it is given", () => {
  const backoff = fc.integer({ min: 0, max: 10 ** 12 });
  const drawn = fc.array(fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }), {
    minLength: 2,
    maxLength: 2,
  });
  fc.assert(
    fc.property(
      fc.nat({ max: 2_000 }),
      backoff,
      backoff,
      drawn,
      (attempt, minBackoff, max, draws) => {
        const left = [...draws];
        const delay = computeBackoff(attempt, {
          minBackoff,
          maxBackoff: max,
          random: () => left.shift()!,
        });
        assert(Number.isSafeInteger(delay), `${delay} is no whole number`);
        assertWithin(delay, range(attempt, minBackoff, max), `attempt ${attempt}`);
      },
    ),
  );
});

/** Rows for which other delays are right here, why, and the `minBackoff` that counts. */
const DIFFERENCES: Record<string, { reason: string; minBackoff: number }> = {
  "middleware min_backoff=0 means the default": { reason: "0 means itself", minBackoff: 0 },
};

for (const one of vectors.worker_delays as unknown as readonly WorkerDelays[]) {
  const difference = DIFFERENCES[one.label];
  const note = difference === undefined ? "as Python does" : `differently: ${difference.reason}`;

  test(`Retries delays with options "${one.label}" ${note}`, async () => {
    const options = { ...one.retries_options, ...one.actor_options };
    const maxBackoff = Math.min(options["max_backoff"] ?? SEVEN_DAYS, SEVEN_DAYS);
    const python = options["min_backoff"] || vectors.defaults.min_backoff;
    const ours = difference?.minBackoff ?? python;
    for (const { retries_before, min, max } of one.rows) {
      const what = `after ${retries_before} retries`;
      assertWithin(min, range(retries_before, python, maxBackoff), `${what} in Python`);
      assertWithin(max, range(retries_before, python, maxBackoff), `${what} in Python`);
      for (const delay of await delaysOf(one, retries_before)) {
        assertWithin(delay, range(retries_before, ours, maxBackoff), what);
      }
    }
  });
}

/** Fails some messages that were retried before, and gives the delays of the next retry. */
async function delaysOf(one: WorkerDelays, retries: number): Promise<number[]> {
  const journal = new WireJournal();
  const retriesMiddleware = new Retries(toOptions(one.retries_options) as RetriesOptions);
  const broker = new StubBroker({
    clock: new FakeClock(),
    middleware: [journal, retriesMiddleware],
  });
  const options = { ...toOptions(one.actor_options), maxRetries: retries + 1 };
  const failing = actor(function failing() {
    throw new Error("nope");
  }, { broker, ...options });
  const messages = Array.from(
    { length: SAMPLES },
    () => failing.messageWithOptions({ retries }),
  );
  await broker.enqueueMany(messages);
  await using worker = new Worker(broker);
  await worker.start();
  await (broker.clock as FakeClock).settle();
  await worker.join();
  const delays = journal.events.map(({ delay }) => delay).filter((delay) => delay !== undefined);
  assertEquals(delays.length, SAMPLES);
  return delays as number[];
}

function toOptions(captured: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(captured).map(([name, value]) => [toCamelCase(name), value]),
  );
}
