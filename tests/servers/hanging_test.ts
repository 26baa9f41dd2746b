import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { test } from "../support/test.ts";

const ARGUMENTS = "Deno" in globalThis
  ? ["test", "-A", "--no-check"]
  : "Bun" in globalThis
  ? ["test"]
  : ["--test", "--test-reporter=spec"];
/** Milliseconds: long beside the start of a runtime, short beside for ever. */
const LONG = 60_000;

test("test fails a test that hangs at its time-out, and goes on with the next", async () => {
  const { error, output } = await runTests("hanging.ts", { TEST_TIMEOUT: "500" });
  assertNotEquals(error, null, output);
  assertMatch(output, /500 ?ms/);
  assertMatch(output, /runs after one that hung/);
});

test("test fails a test that failed once, unless it may be run again", async () => {
  const { error, output } = await runTests("failing.ts", { TEST_RETRIES: "0" });
  assertNotEquals(error, null, output);
  assertMatch(output, /runs after one that failed/);
});

test("test runs a failed test again as often as TEST_RETRIES says, and prints why", async () => {
  const { error, output } = await runTests("failing.ts", { TEST_RETRIES: "1" });
  assertEquals(error, null, output);
  assertMatch(output, /Retrying a test that failed: fails once.*the first run failed/s);
});

// Deno and Bun end a file of tests whatever it has left.
if (runtime === "node") {
  test("test fails a file that does not end after its tests, and says what holds it", async () => {
    const { error, output } = await runTests("lingering.ts", { TEST_TIME_TO_END: "300" });
    assertNotEquals(error, null, output);
    assertMatch(output, /ended 300 ms ago, but not their process: .*Timeout/);
  });
}

/** Runs the tests of a file of `tests/support` on this runtime. */
async function runTests(file: string, variables: Readonly<Record<string, string>>) {
  const env: Record<string, string | undefined> = { ...process.env, ...variables, NO_COLOR: "1" };
  // Within a test, Node would take the inner run for a part of the outer one.
  delete env["NODE_TEST_CONTEXT"];
  const path = fileURLToPath(new URL(`../support/${file}`, import.meta.url));
  const run = await new Promise<{ error: Error | null; output: string }>((resolve) => {
    const options = { env, timeout: LONG };
    execFile(process.execPath, [...ARGUMENTS, path], options, (error, stdout, stderr) => {
      resolve({ error, output: stdout + stderr });
    });
  });
  assert(!(run.error as { killed?: boolean } | null)?.killed, `It did not end: ${run.output}`);
  return run;
}
