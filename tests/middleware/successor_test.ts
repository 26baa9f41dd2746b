import { assertEquals, assertRejects } from "@std/assert";
import { ConnectionClosed, StubBroker, SuccessorNotStored } from "@dq/dramatiq";
import { storeSuccessor } from "../../middleware/successor.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Stores something that fails so many times, and tells when it was tried. */
async function tries(failures: number, error: Error): Promise<{ at: number[]; end: unknown }> {
  const clock = new FakeClock();
  const start = clock.now();
  const at: number[] = [];
  const end = storeSuccessor(new StubBroker({ clock, middleware: [] }), "the thing", () => {
    at.push(clock.now() - start);
    return at.length <= failures ? Promise.reject(error) : Promise.resolve("stored");
  }).catch((error) => error);
  return { end: await clock.waitFor(end), at };
}

test("storeSuccessor tries five times, a second apart, while the server is away", async () => {
  const away = new ConnectionClosed("The server is away");
  assertEquals(await tries(4, away), { at: [0, 1_000, 2_000, 3_000, 4_000], end: "stored" });
  const { at, end } = await tries(5, away);
  assertEquals(at.length, 5);
  await assertRejects(() => Promise.reject(end), SuccessorNotStored, "Cannot store the thing");
});

test("storeSuccessor tries once what can never be stored", async () => {
  const { at, end } = await tries(1, new TypeError("It is too large"));
  assertEquals(at, [0]);
  await assertRejects(() => Promise.reject(end), SuccessorNotStored, "It is too large");
});
