import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Encoded } from "@dq/dramatiq";
import { ResultWaiters } from "../../results/result_waiters.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Waiters, and what stands under its keys. */
function setFixture() {
  const clock = new FakeClock();
  const stored = new Map<string, Encoded | Error>();
  const looks: { key: string; at: number }[] = [];
  const calls: string[] = [];
  const start = clock.now();
  /** Ends the looks that are under way, when they are held back. */
  const held: (() => void)[] = [];
  const fixture = { isHeld: false };
  const waiters = new ResultWaiters({
    clock,
    async read(key) {
      looks.push({ key, at: clock.now() - start });
      const found = stored.get(key); // as it is when the look begins
      if (fixture.isHeld) await new Promise<void>((resolve) => held.push(resolve));
      if (found instanceof Error) throw found;
      return found;
    },
    isTransient: (error) => (error as Error).message === "away",
    began: () => calls.push("began"),
    ended: () => calls.push("ended"),
  });
  const wait = async (key: string, timeout = 60_000, signal?: AbortSignal) =>
    (await waiters.wait(key, { timeout, signal })).data;
  return Object.assign(fixture, { clock, stored, looks, calls, held, waiters, wait });
}

test("ResultWaiters looks often at first, then more seldom, and stops when there is something", async () => {
  const { clock, stored, looks, calls, wait } = setFixture();
  const result = wait("a");
  await clock.advance(1_000);
  assertEquals(looks.map(({ at }) => at), [0, 10, 30, 70, 150, 310, 560, 810]);
  stored.set("a", "x");
  await clock.advance(60);
  assertEquals(await result, "x");
  assertEquals(calls, ["began", "ended"]);
  const { length } = looks;
  await clock.advance(10_000);
  assertEquals([looks.length, clock.pendingTimers], [length, 0]);
});

test("ResultWaiters looks at thousands of keys together, for a tenth of the time at most", async () => {
  const { clock, looks, wait } = setFixture();
  const waits = Array.from({ length: 10_000 }, (_, i) => wait(`${i}`, 10_000));
  await clock.advance(5_000);
  assertEquals(new Set(looks.map(({ at }) => at)), new Set([0, 1_000, 2_000, 3_000, 4_000, 5_000]));
  await clock.advance(5_000);
  assertEquals(new Set(await Promise.all(waits)), new Set([undefined]));
  assertEquals(clock.pendingTimers, 0);
});

test("ResultWaiters does not read a key that has no waiters any more", async () => {
  const { clock, looks, wait, calls } = setFixture();
  const controller = new AbortController();
  const aborted = assertRejects(() => wait("a", 60_000, controller.signal), Error, "enough");
  const timely = wait("b", 25);
  await clock.advance(15);
  controller.abort(new Error("enough"));
  await aborted;
  await clock.advance(60_000);
  assertEquals(await timely, undefined);
  assertEquals(looks.filter(({ key }) => key === "a").map(({ at }) => at), [0, 10]);
  assertEquals(looks.filter(({ key }) => key === "b").map(({ at }) => at), [0, 10]);
  assertEquals(calls, ["began", "ended"]);
});

test("ResultWaiters with notifications reads once, and again when notified", async () => {
  const { clock, stored, looks, waiters, wait } = setFixture();
  waiters.isNotified = true;
  const results = [wait("a"), wait("a"), wait("b")];
  await clock.advance(10_000);
  waiters.notify(["b", "nobody's"]);
  await clock.settle();
  assertEquals(looks.map(({ key }) => key), ["a", "b", "b"]);
  stored.set("a", "x").set("b", "y");
  waiters.notifyAll();
  assertEquals(await Promise.all(results), ["x", "x", "y"]);
});

test("ResultWaiters looks at everything when it begins to be told, and when that ends", async () => {
  const { clock, looks, waiters, wait } = setFixture();
  const result = wait("a", 5_000);
  await clock.settle();
  waiters.isNotified = true;
  await clock.advance(1_000);
  assertEquals(looks.map(({ at }) => at), [0, 0]);
  waiters.isNotified = false;
  await clock.advance(20);
  assertEquals(looks.map(({ at }) => at), [0, 0, 1_000, 1_020]);
  await clock.waitFor(result);
});

test("ResultWaiters reads again when notified during a read", async () => {
  const fixture = setFixture();
  const { clock, stored, held, waiters, wait } = fixture;
  waiters.isNotified = true;
  fixture.isHeld = true;
  const result = wait("a");
  stored.set("a", "x"); // the look has begun before, and will not find it
  waiters.notify(["a"]);
  fixture.isHeld = false;
  held.shift()!();
  assertEquals(await result, "x");
  await clock.settle();
});

test("ResultWaiters waits through errors that pass, and ends with others", async () => {
  const { clock, stored, looks, waiters, wait } = setFixture();
  waiters.isNotified = true;
  stored.set("a", new Error("away")).set("b", new Error("refused"));
  const result = wait("a");
  await assertRejects(() => wait("b"), Error, "refused");
  await clock.advance(100);
  assert(looks.filter(({ key }) => key === "a").length > 3, "it looks for itself meanwhile");
  stored.set("a", "x");
  await clock.advance(100);
  assertEquals(await result, "x");
});

test("ResultWaiters sends everybody away when it is closed", async () => {
  const { clock, waiters, wait } = setFixture();
  const waits = ["a", "a", "b"].map((key) => assertRejects(() => wait(key), Error, "closed"));
  waiters.close(new Error("closed"));
  await Promise.all(waits);
  await clock.settle();
  assertEquals(clock.pendingTimers, 0);
});

test("ResultWaiters.wait ends with the failure of its own key, not with that of another", async () => {
  const { clock, stored, waiters } = setFixture();
  stored.set("a", new Error("away"));
  const options = { timeout: 100, signal: undefined };
  const waits = ["a", "b"].map((key) => waiters.wait(key, options));
  await clock.advance(100);
  const [a, b] = await Promise.all(waits);
  assertEquals((a!.failure as Error).message, "away");
  assertEquals(b, { data: undefined, failure: undefined });
});
