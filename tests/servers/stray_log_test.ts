import { assertEquals } from "@std/assert";
import { setTimeout as sleep } from "node:timers/promises";
import { getLogger } from "../../platform/logging.ts";
import { textOf, withLog } from "../support/log.ts";
import { test } from "../support/test.ts";

const log = getLogger("worker");
const logged = Promise.withResolvers<void>();
let reminder: ReturnType<typeof setInterval>;

test("withLog lets a test end that leaves a timer, which logs", () => {
  reminder = setInterval(() => {
    log.warn("Still {what}", { what: "here" });
    logged.resolve();
  }, 5);
});

test("withLog notes nothing that an earlier test has left, only its own", async () => {
  await withLog({ category: ["dramatiq"] }, async (lines) => {
    await logged.promise;
    setTimeout(() => log.warn("Mine {what}", { what: "later" }), 5);
    await sleep(50);
    assertEquals(lines.map(textOf), ["Mine later"]);
  });
  clearInterval(reminder);
});
