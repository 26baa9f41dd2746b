import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  actor,
  type ActorOptions,
  type MessageOptions,
  type MessageProxy,
  Retries,
  type RetriesOptions,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

interface Given {
  readonly middleware?: RetriesOptions;
  readonly actor?: ActorOptions;
  readonly message?: MessageOptions;
}

/** Runs an actor until the message is done or dead. */
async function run(
  fn: (attempt: number) => unknown,
  given: Given = {},
): Promise<{ attempts: number; dead: readonly MessageProxy[]; took: number }> {
  const clock = new FakeClock();
  const middleware = [new Retries(given.middleware)];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  let attempts = 0;
  const work = actor(() => {
    attempts += 1;
    return fn(attempts);
  }, { broker, actorName: "work", ...given.actor });
  const start = clock.now();
  await using worker = new Worker(broker);
  await worker.start();
  await broker.enqueue(work.messageWithOptions({ ...given.message }));
  await clock.waitFor(broker.join("default"));
  return { attempts, dead: broker.allDeadLetters, took: clock.now() - start };
}

/** Milliseconds: the clock of the test stops every few seconds, and backoff may take a week. */
const SHORT_BACKOFF = { maxBackoff: 60_000 };

const fail = () => {
  throw new Error("nope");
};

for (const name of ["maxRetries", "minBackoff", "maxBackoff"] as const) {
  test(`Retries refuses a ${name} below 0 or that is no number`, () => {
    assertThrows(() => new Retries({ [name]: -1 }), RangeError, `-1 as ${name}`);
    assertThrows(() => new Retries({ [name]: NaN }), RangeError, `NaN as ${name}`);
  });
}

test("Retries takes 0, and null for maxRetries, in its constructor", () => {
  new Retries({ maxRetries: 0, minBackoff: 0, maxBackoff: 0 });
  new Retries({ maxRetries: null });
});

test("Retries is needed for its options on actors", () => {
  const bare = new StubBroker({ middleware: [] });
  const declare = (broker: StubBroker) =>
    actor(fail, { broker, actorName: "work", maxRetries: 1, minBackof: 5 });
  assertThrows(() => declare(bare), TypeError, "maxRetries, minBackof");
  const error = assertThrows(
    () => declare(new StubBroker({ middleware: [new Retries()] })),
    TypeError,
    "minBackof;",
  );
  assertStringIncludes(error.message, "minBackoff");
});

test("Retries tries 20 times more by default", async () => {
  const { attempts, dead } = await run(fail, { actor: SHORT_BACKOFF });
  assertEquals(attempts, 21);
  assertEquals(dead.length, 1);
});

test("Retries without limit goes on until the actor succeeds", async () => {
  const failLong = (attempt: number) => attempt <= 50 ? fail() : undefined;
  const { attempts, dead } = await run(failLong, {
    middleware: { maxRetries: null },
    actor: SHORT_BACKOFF,
  });
  assertEquals(attempts, 51);
  assertEquals(dead, []);
});

test("Retries takes null on a message for no limit, whatever actor and middleware say", async () => {
  const { attempts } = await run((attempt) => attempt <= 50 ? fail() : undefined, {
    middleware: { maxRetries: 1 },
    actor: { maxRetries: 0, ...SHORT_BACKOFF },
    message: { maxRetries: null },
  });
  assertEquals(attempts, 51);
});

test("Retries waits at least minBackoff, twice as long every time", async () => {
  const { took } = await run(fail, { actor: { minBackoff: 1_000, maxRetries: 3 } });
  assert(took >= 7_000 && took <= 14_000, `${took} ms for 1, 2 and 4 seconds and jitter`);
});

test("Retries waits at most maxBackoff", async () => {
  const { took } = await run(fail, {
    actor: { minBackoff: 1_000, maxBackoff: 1_001, maxRetries: 10 },
  });
  assert(took >= 5_000 && took <= 10_010, `${took} ms`);
});

test("Retries waits the same time each time when minBackoff is maxBackoff", async () => {
  const { took } = await run(fail, {
    actor: { minBackoff: 1_000, maxBackoff: 1_000, maxRetries: 10 },
  });
  assertEquals(took, 10_000);
});

test("Retries awaits a retryWhen and gives it the error itself", async () => {
  const errors: unknown[] = [];
  const thrown = new Error("nope");
  const retryWhen = async (retries: number, error: unknown) => {
    errors.push(error);
    await Promise.resolve();
    return retries < 1;
  };
  const { attempts, dead } = await run(() => Promise.reject(thrown), { actor: { retryWhen } });
  assertEquals(attempts, 2);
  assertEquals(errors, [thrown, thrown]);
  assertEquals(dead[0]!.exception, thrown);
});

test("Retries prefers retryWhen of the actor to its own", async () => {
  const { attempts } = await run(fail, {
    middleware: { retryWhen: () => true },
    actor: { retryWhen: () => false },
  });
  assertEquals(attempts, 1);
});

test("Retries buries at once what the actor throws by declaration", async () => {
  class Expected extends Error {}
  const { attempts, dead } = await run(() => {
    throw new Expected("as told");
  }, { actor: { throws: Expected } });
  assertEquals(attempts, 1);
  assertEquals(dead[0]!.option("retries"), undefined);
});

test("Retries retries after anything that can be thrown", async () => {
  for (const thrown of [undefined, null, 0, "text", { code: 7 }]) {
    const { attempts, dead } = await run((attempt) => {
      if (attempt === 1) throw thrown;
    });
    assertEquals(attempts, 2, `after ${thrown}`);
    assertEquals(dead, []);
  }
});

test("Retries notes the error and its causes as traceback", async () => {
  class Outer extends Error {}
  const { dead } = await run(() => {
    throw new Outer("outer", { cause: new RangeError("inner") });
  }, { actor: { maxRetries: 0 } });
  const traceback = dead[0]!.option("traceback") as string;
  assert(traceback.startsWith("Outer: outer\n"), traceback);
  assertStringIncludes(traceback, "\nCaused by: RangeError: inner");
  assert(traceback.endsWith("\n"), traceback);
});

test("Retries notes no more than 16 KiB of traceback", async () => {
  const { dead } = await run(() => {
    throw new Error("x".repeat(100_000));
  }, { actor: { maxRetries: 0 } });
  const traceback = dead[0]!.option("traceback") as string;
  assert(traceback.length <= 16_386, `${traceback.length} characters`);
  assert(traceback.endsWith("\n"));
});
