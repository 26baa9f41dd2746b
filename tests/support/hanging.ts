/** Tests that hang; `tests/servers/hanging_test.ts` runs them. */
import { setInterval } from "node:timers";
import { test } from "./test.ts";

test("hangs while something is under way", async () => {
  setInterval(() => {}, 1_000);
  await new Promise(() => {});
});

test("runs after one that hung", () => {});
