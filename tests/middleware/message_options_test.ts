import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  actor,
  type ActorOptions,
  currentSignal,
  type MessageOptions,
  type MessageProxy,
  pipeline,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

const START = 1_000_000;

/** Outcome of a message. */
interface Fate {
  /** When each attempt began, in milliseconds from the start. */
  readonly attempts: readonly number[];
  /** When its signal aborted, if it did. */
  readonly abortedAt: number | undefined;
  readonly dead: readonly MessageProxy[];
}

/** Runs a message whose options came from elsewhere, on an actor that does as it is told. */
async function run(
  message: Record<string, unknown>,
  options: ActorOptions,
  fn: (clock: FakeClock) => unknown = fail,
): Promise<Fate> {
  const clock = new FakeClock();
  const broker = new StubBroker({ clock, failFast: false });
  const start = clock.now();
  const attempts: number[] = [];
  let abortedAt: number | undefined;
  const work = actor(function work() {
    attempts.push(clock.now() - start);
    currentSignal().addEventListener("abort", () => abortedAt = clock.now() - start);
    return fn(clock);
  }, { broker, ...options });
  await using worker = new Worker(broker);
  await worker.start();
  const sent = work.messageWithOptions(message as MessageOptions);
  await broker.enqueue(sent.copy({ messageTimestamp: start - START }));
  await clock.waitFor(broker.join("default"));
  await worker.join();
  return { attempts, abortedAt, dead: broker.allDeadLetters };
}

function fail(): never {
  throw new RangeError("nope");
}

const waitFiveSeconds = (clock: FakeClock) =>
  new Promise<void>((resolve) => clock.setTimer(resolve, 5_000));

const NO_NUMBERS: readonly unknown[] = ["3", "", {}, [], [3], true, NaN];

for (const timeLimit of [...NO_NUMBERS, 0, -5, -Infinity]) {
  test(`TimeLimit takes that of the actor for a timeLimit of ${show(timeLimit)} on a message`, async () => {
    const { abortedAt } = await run(
      { timeLimit },
      { timeLimit: 4_500, maxRetries: 0 },
      waitFiveSeconds,
    );
    assertEquals(abortedAt, 4_500);
  });
}

for (const maxAge of [...NO_NUMBERS, -1]) {
  test(`AgeLimit takes that of the actor for a maxAge of ${show(maxAge)} on a message`, async () => {
    const young = await run({ maxAge }, { maxAge: 2 * START }, () => {});
    assertEquals([young.attempts.length, young.dead.length], [1, 0]);
    const old = await run({ maxAge }, { maxAge: START / 2 }, () => {});
    assertEquals([old.attempts.length, old.dead.length], [0, 1]);
  });
}

for (const backoff of [...NO_NUMBERS, -5]) {
  test(`Retries take those of the actor for backoffs of ${show(backoff)} on a message`, async () => {
    const options = { minBackoff: 2_000, maxBackoff: 2_000, maxRetries: 2 };
    for (const name of ["minBackoff", "maxBackoff"]) {
      const { attempts } = await run({ [name]: backoff }, options);
      assertEquals(attempts, [0, 2_000, 4_000], name);
    }
  });
}

for (const retries of [-1, -1_000, -0.5, -1e300, -Infinity]) {
  test(`Retries count ${retries} retries of a message as none`, async () => {
    const { attempts, dead } = await run({ retries }, { maxRetries: 2, minBackoff: 1 });
    assertEquals([attempts.length, dead[0]!.option("retries")], [3, 3]);
    assertEquals((dead[0]!.exception as Error).message, "nope");
  });
}

test("Retries try a message once whose maxRetries is below 0", async () => {
  const { attempts, dead } = await run({ maxRetries: -1 }, { maxRetries: 5 });
  assertEquals([attempts.length, (dead[0]!.exception as Error).message], [1, "nope"]);
});

/** Options without which it is not known whether a message may run again. */
const UNDECIDABLE: Readonly<Record<string, readonly unknown[]>> = {
  retries: NO_NUMBERS,
  maxRetries: NO_NUMBERS,
  throws: ["KeyError", ["KeyError"], 5, {}],
  retryWhen: ["always", {}, true],
};

for (const [name, values] of Object.entries(UNDECIDABLE)) {
  for (const value of values) {
    test(`Retries dead-letter what fails with a ${name} of ${show(value)}, and say so`, async () => {
      const { attempts, dead } = await run({ [name]: value }, { minBackoff: 1 });
      assertEquals([attempts.length, dead.length], [1, 1]);
      const { traceback } = dead[0]!.deadLetter.options;
      assertStringIncludes(traceback!, `Cannot decide on a retry: option ${name} must be a`);
      assertStringIncludes(traceback!, "RangeError: nope");
      const fine = await run({ [name]: value }, {}, () => {});
      assertEquals([fine.attempts.length, fine.dead.length], [1, 0]);
    });
  }
}

for (const delay of [...NO_NUMBERS, { seconds: 5 }, Infinity]) {
  test(`Pipelines dead-letter a message before one with a delay of ${show(delay)}`, async () => {
    const broker = new StubBroker({ failFast: false });
    const ran: string[] = [];
    const step = actor((name: string) => void ran.push(name), { broker, actorName: "step" });
    const next = step.messageWithOptions({
      args: ["next"],
      pipeIgnore: true,
      delay: delay as number,
    });
    await pipeline([step.message("first"), next], { broker }).run();
    await using worker = new Worker(broker);
    await worker.start();
    await broker.join("default");
    assertEquals(ran, ["first"]);
    const { traceback } = broker.allDeadLetters[0]!.deadLetter.options;
    assertStringIncludes(traceback!, "delay");
    assertStringIncludes(traceback!, "Cannot store the next message of the pipeline");
  });
}

test("Worker warns once of an option that it ignores, for each actor and option", async () => {
  const category = ["dramatiq", "middleware"];
  const lines = await linesOf({ category, lowestLevel: "warning" }, async () => {
    const broker = new StubBroker();
    const one = actor(function one() {}, { broker });
    const two = actor(function two() {}, { broker });
    await using worker = new Worker(broker);
    await worker.start();
    for (let i = 0; i < 3; i++) {
      await one.sendWithOptions({ timeLimit: "x".repeat(500) as never, maxAge: -1 });
      await two.sendWithOptions({ timeLimit: -5 });
    }
    await broker.join("default");
  });
  assertEquals(
    lines.map((line) => [line.level, line.properties["actor"], line.properties["option"]]),
    [["warning", "one", "maxAge"], ["warning", "one", "timeLimit"], [
      "warning",
      "two",
      "timeLimit",
    ]],
  );
  assertEquals(
    textOf(lines[2]!),
    `Ignored timeLimit of message ${lines[2]!.properties["messageId"]} of two, and of similar ` +
      "messages: it must be a number above 0, not -5",
  );
  assertEquals(textOf(lines[1]!).length < 400, true);
});

function show(value: unknown): string {
  return typeof value === "number" ? String(value) : JSON.stringify(value);
}
