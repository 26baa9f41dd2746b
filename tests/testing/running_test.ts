import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { actor } from "@dq/dramatiq";
import {
  AssertionError,
  TestBroker,
  type TestBrokerOptions,
  VirtualClock,
} from "@dq/dramatiq/testing";
import { test } from "../support/test.ts";

/** A broker with an actor that hangs until it is released, and one that returns at once. */
function makeKit(options: TestBrokerOptions = {}) {
  const kit = new TestBroker(options);
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const hangs = actor((_name: string) => promise, { broker: kit, actorName: "hangs" });
  const note = actor((n: number) => n, { broker: kit, actorName: "note" });
  return { kit, hangs, note, release };
}

test("TestBroker in mode inline runs retries in their own send", async () => {
  await using kit = new TestBroker({ mode: "inline" });
  const ran: string[] = [];
  const boom = actor(() => {
    ran.push("boom");
    throw new Error("boom!");
  }, { broker: kit, actorName: "boom", maxRetries: 2 });
  const flaky = actor(() => {
    ran.push("flaky");
    if (ran.length % 2 === 1) throw new Error("not yet");
  }, { broker: kit, actorName: "flaky" });
  const expected = actor(() => {
    throw new RangeError("known");
  }, { broker: kit, actorName: "expected", throws: RangeError });
  const ok = actor(() => void ran.push("ok"), { broker: kit, actorName: "ok" });
  await assertRejects(() => boom.send(), Error, "boom!");
  assertEquals(ran.splice(0), ["boom", "boom", "boom"]);
  await ok.send();
  assertEquals(ran.splice(0), ["ok"]);
  await flaky.send();
  assertEquals(ran.splice(0), ["flaky", "flaky"]);
  await expected.send();
  // What follows runs, too, before the error is thrown.
  const both = actor(async () => void await Promise.all([boom.send(), ok.send()]), {
    broker: kit,
    actorName: "both",
  });
  await assertRejects(() => both.send(), Error, "boom!");
  assertEquals(ran.toSorted(), ["boom", "boom", "boom", "ok"]);
});

test("TestBroker spreads the backoff of retries in the same way in each run", async () => {
  const delays = async (clock = new VirtualClock()) => {
    await using kit = new TestBroker({ clock });
    const fails = actor(() => {
      throw new Error("it broke");
    }, { broker: kit, actorName: "fails", maxRetries: 4 });
    await fails.send();
    return (await kit.drain({ raise: false })).map(({ retryDelay }) => retryDelay);
  };
  const [first] = await delays();
  assertNotEquals(first, 15_000);
  assertEquals(await delays(), await delays());
  const clock = new VirtualClock();
  clock.random();
  assertNotEquals(await delays(clock), await delays());
  const numbers = Array.from({ length: 1_000 }, () => clock.random());
  assert(numbers.every((one) => one >= 0 && one < 1), String(numbers));
  assert(new Set(numbers.map((one) => Math.floor(one * 10))).size === 10);
});

test("TestBroker.drain returns each run in only one of several concurrent calls", async () => {
  const { kit, note } = makeKit();
  await using _ = kit;
  await note.sendMany([[1], [2], [3]]);
  const all = (await Promise.all([kit.drain(), kit.drain()])).flat();
  assertEquals(all.map(({ result }) => result), [1, 2, 3]);
  const fails = actor(() => {
    throw new Error("it broke");
  }, { broker: kit, actorName: "fails" });
  await fails.send();
  const failed = await Promise.allSettled([kit.drain(), kit.drain()]);
  assertEquals(failed.map(({ status }) => status), ["rejected", "rejected"]);
});

test("TestBroker.drain waits for an actor that a failed drain has left running", async () => {
  const { kit, hangs, release } = makeKit();
  await using _ = kit;
  await hangs.send("Ada");
  await assertRejects(
    () => kit.drain({ timeout: 5 }),
    AssertionError,
    'hangs("Ada") has not ended',
  );
  await assertRejects(
    () => kit.drain({ timeout: 5 }),
    AssertionError,
    'hangs("Ada") has not ended',
  );
  release();
  assertEquals((await kit.drain()).map(String), ['hangs("Ada"): done']);
  assertEquals(await kit.drain(), []);
});

test("TestBroker names the actor that blocks another, and suggests concurrency", async () => {
  const { kit, hangs, note, release } = makeKit();
  await using _ = kit;
  await hangs.send("Ada");
  const drained = await assertRejects(() => kit.drain({ timeout: 5 }), AssertionError);
  assert(drained.message.includes("raise concurrency if it waits for another"), drained.message);
  const message = note.message(1);
  const error = await assertRejects(() => kit.runActor(message, { timeout: 5 }), AssertionError);
  assertEquals(
    error.message,
    'Cannot run the actor: it has not begun within 5 ms, since hangs("Ada") is still running. ' +
      "Raise concurrency to run more messages at once",
  );
  release();
});
