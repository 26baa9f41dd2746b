/** Tests that fail, and then may not; `tests/servers/hanging_test.ts` runs them. */
import { test } from "./test.ts";

let runs = 0;

test("fails once", () => {
  if (runs++ === 0) throw new Error("the first run failed");
});

test("runs after one that failed", () => {});
