/** A test that leaves a timer, which holds the process; `tests/servers/hanging_test.ts` runs it. */
import { setTimeout } from "node:timers";
import { test } from "./test.ts";

test("leaves a timer", () => {
  setTimeout(() => {}, 50_000);
});
