import { assertEquals, assertThrows } from "@std/assert";
import process from "node:process";
import {
  nextTurn,
  readEnvironment,
  readEnvironmentNumber,
  runtime,
} from "../../platform/runtime.ts";
import { withEnvironment } from "../support/environment.ts";
import { test } from "../support/test.ts";

/** A variable that nothing else reads. */
const NAME = "dramatiq_runtime_test";

test("runtime names the runtime that is running", () => {
  const { deno, bun } = process.versions as Record<string, string | undefined>;
  assertEquals(runtime, deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node");
});

test("readEnvironment reads a variable in lower case, else in upper case", () => {
  assertEquals(readEnvironment(NAME), undefined);
  withEnvironment({ [NAME.toUpperCase()]: "upper" }, () => {
    assertEquals(readEnvironment(NAME), "upper");
  });
  // On Windows both are one variable.
  if (process.platform === "win32") return;
  withEnvironment({ [NAME]: "lower", [NAME.toUpperCase()]: "upper" }, () => {
    assertEquals(readEnvironment(NAME), "lower");
  });
});

test("readEnvironment treats an empty variable as unset", () => {
  withEnvironment({ [NAME]: "" }, () => {
    assertEquals(readEnvironment(NAME), undefined);
    assertEquals(readEnvironmentNumber(NAME, 5), 5);
  });
});

test("readEnvironmentNumber reads whole numbers, and falls back when unset", () => {
  assertEquals(readEnvironmentNumber(NAME, 3000), 3000);
  const cases: [string, number][] = [["0", 0], ["1", 1], [" 42 ", 42], ["604800000", 604800000]];
  for (const [text, expected] of cases) {
    withEnvironment({ [NAME]: text }, () => {
      assertEquals(readEnvironmentNumber(NAME, 3000), expected);
    });
  }
  withEnvironment({ [NAME.toUpperCase()]: "7" }, () => {
    assertEquals(readEnvironmentNumber(NAME, 3000), 7);
  });
});

test("readEnvironmentNumber names a variable that is not a whole number", () => {
  for (const text of ["five", "-1", "1.5", "5s", "1,000", "NaN", "Infinity", "9".repeat(20), " "]) {
    withEnvironment({ [NAME]: text }, () => {
      const { message } = assertThrows(() => readEnvironmentNumber(NAME, 1), RangeError);
      assertEquals(
        message,
        `Cannot read environment variable ${NAME}: it must be a whole number of 0 or more, ` +
          `not "${text}"`,
      );
    });
  }
});

test("nextTurn comes after all promise callbacks", async () => {
  const events: string[] = [];
  const turn = nextTurn().then(() => events.push("turn"));
  for (let i = 0; i < 3; i++) await Promise.resolve().then(() => events.push("promise"));
  await turn;
  assertEquals(events, ["promise", "promise", "promise", "turn"]);
});
