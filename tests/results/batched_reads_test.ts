import { assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { ConnectionClosed, type Encoded, ResultError, ResultMissing } from "@dq/dramatiq";
import { ResultBackend } from "../../results/backend.ts";
import { BatchedReads, type Stored } from "../../results/batched_reads.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Milliseconds after which a read counts as hanging rather than slow. */
const HANGS = 10_000;

/** Reads whose fetches end when the test lets them. */
function ready(serverOf?: (key: string) => number) {
  const fetches: (PromiseWithResolvers<readonly Stored[]> & { keys: readonly string[] })[] = [];
  const reads = new BatchedReads((keys) => {
    const fetch = Promise.withResolvers<readonly Stored[]>();
    fetches.push({ ...fetch, keys });
    return fetch.promise;
  }, serverOf);
  return { reads, fetches };
}

test("BatchedReads fetches what is read in one turn together, each key once", async () => {
  const { reads, fetches } = ready();
  const reading = ["a", "b", "a"].map((key) => reads.read(key));
  await Promise.resolve();
  assertEquals(fetches.map(({ keys }) => keys), [["a", "b"]]);
  const later = reads.read("a"); // what the fetch under way finds may be too old for this one
  await Promise.resolve();
  assertEquals(fetches.map(({ keys }) => keys), [["a", "b"], ["a"]]);
  fetches[0]!.resolve(["A", undefined]);
  fetches[1]!.resolve(["newer"]);
  assertEquals(await Promise.all([...reading, later]), ["A", undefined, "A", "newer"]);
});

test("BatchedReads fetches the keys of each server on their own, and fails them on their own", async () => {
  const { reads, fetches } = ready(Number);
  const reading = ["1", "2", "1"].map((key) => reads.read(key));
  await Promise.resolve();
  assertEquals(fetches.map(({ keys }) => keys), [["1"], ["2"]]);
  fetches[1]!.resolve(["two"]);
  assertEquals(await deadline(reading[1]!, HANGS), "two");
  const failing = assertRejects(() => reading[0]!, Error, "away");
  fetches[0]!.reject(new Error("away"));
  await failing;
  await assertRejects(() => reading[2]!, Error, "away");
});

test("BatchedReads fetches a full batch at once, and what comes behind it by itself", async () => {
  const { reads, fetches } = ready();
  const keys = Array.from({ length: 501 }, (_, i) => `${i}`);
  const reading = keys.map((key) => reads.read(key));
  assertEquals(fetches.length, 1);
  await Promise.resolve();
  assertEquals(fetches.map(({ keys }) => keys.length), [500, 1]);
  for (const { keys, resolve } of fetches) resolve(keys);
  assertEquals(await deadline(Promise.all(reading), HANGS), keys);
});

test("BatchedReads fails all of a fetch that fails, and one key of a fetch that does not", async () => {
  const { reads, fetches } = ready();
  const failing = ["a", "b"].map((key) => assertRejects(() => reads.read(key), Error, "away"));
  await Promise.resolve();
  fetches[0]!.reject(new Error("away"));
  await deadline(Promise.all(failing), HANGS);

  const bad = assertRejects(() => reads.read("a"), ResultError, "no result");
  const good = reads.read("b");
  await Promise.resolve();
  fetches[1]!.resolve([new ResultError("no result"), "B"]);
  await bad;
  assertEquals(await good, "B");
});

const MESSAGE = { messageId: "1", actorName: "a", queueName: "q" };
const AWAY = new ConnectionClosed("the server is away");

/** A backend whose server is away as long as the test says, and slow to store. */
class SlowBackend extends ResultBackend {
  isUnavailable = false;
  reads = 0;
  storing: Promise<void> = Promise.resolve();
  readonly #stored: Map<string, Encoded> = new Map();

  protected override fetch(keys: readonly string[]): Promise<readonly Stored[]> {
    this.reads += 1;
    return this.isUnavailable
      ? Promise.reject(AWAY)
      : Promise.resolve(keys.map((key) => this.#stored.get(key)));
  }

  protected override async store(key: string, data: Encoded): Promise<void> {
    await this.storing;
    this.#stored.set(key, data);
  }
}

test("ResultBackend tells those who wait at it of a result when it is stored, not before", async () => {
  const clock = new FakeClock();
  const backend = new SlowBackend({ clock });
  const storing = Promise.withResolvers<void>();
  backend.storing = storing.promise;
  const result = backend.getResult(MESSAGE, { block: true, timeout: 60_000 });
  await clock.settle();
  const { reads } = backend;
  const stored = backend.storeResult(MESSAGE, 42, 1_000);
  await clock.settle();
  assertEquals(backend.reads, reads); // there is nothing to look at yet
  storing.resolve();
  await stored;
  assertEquals(await deadline(result, HANGS), 42); // no time has passed: it has not looked by itself
  await backend.close();
});

test("ResultBackend asks a server that is away for five seconds, and no more once it is closed", async () => {
  const clock = new FakeClock();
  const backend = new SlowBackend({ clock });
  backend.isUnavailable = true;
  const start = clock.now();
  await assertRejects(() => clock.waitFor(backend.getResult(MESSAGE)), ConnectionClosed, "is away");
  assertEquals(clock.now() - start, 5_000);

  const late = assertRejects(() => backend.getResult(MESSAGE), ConnectionClosed);
  await clock.settle();
  await backend.close();
  await clock.advance(100);
  await deadline(late, HANGS);
  assertEquals(clock.pendingTimers, 0);
});

test("ResultBackend.close fails all waiters", async () => {
  const clock = new FakeClock();
  const backend = new SlowBackend({ clock });
  const waiting = assertRejects(
    () => backend.getResult(MESSAGE, { block: true, timeout: Infinity }),
    ConnectionClosed,
    "it is closed",
  );
  await clock.settle();
  await assertRejects(() => backend.getResult(MESSAGE), ResultMissing);
  await backend.close();
  await deadline(waiting, HANGS);
});
