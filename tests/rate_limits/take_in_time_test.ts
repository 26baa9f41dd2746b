import { assertEquals } from "@std/assert";
import { takeInTime } from "../../rate_limits/take_in_time.ts";
import { test } from "../support/test.ts";

/** Takes slots of spans that end while the answer is on its way, so many times. */
async function simulate(overtaken: number, isFull: (span: number) => boolean = () => false) {
  let now = 0;
  const events: string[] = [];
  const isTaken = await takeInTime(
    () => now,
    (span) => {
      events.push(`take ${span}`);
      if (isFull(span)) return Promise.resolve(false);
      if (span < overtaken) now += 1;
      return Promise.resolve(true);
    },
    (span) => Promise.resolve(events.push(`give back ${span}`)),
  );
  return { isTaken, events };
}

test("takeInTime takes a slot of the present span", async () => {
  assertEquals(await simulate(0), { isTaken: true, events: ["take 0"] });
});

test("takeInTime takes another slot when its span ends meanwhile, and gives back the first", async () => {
  const events = ["take 0", "give back 0", "take 1"];
  assertEquals(await simulate(1), { isTaken: true, events });
});

test("takeInTime refuses where the next span is full, and keeps no slot of the one before", async () => {
  const events = ["take 0", "give back 0", "take 1"];
  assertEquals(await simulate(1, (span) => span === 1), { isTaken: false, events });
});

test("takeInTime gives up after three spans that ended meanwhile, and keeps none", async () => {
  const { isTaken, events } = await simulate(10);
  assertEquals(isTaken, false);
  assertEquals(events, [0, 1, 2].flatMap((span) => [`take ${span}`, `give back ${span}`]));
});
