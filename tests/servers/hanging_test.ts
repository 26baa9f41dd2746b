import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertMatch, assertNotEquals } from "@std/assert";
import { test } from "../support/test.ts";

const HANGING = fileURLToPath(new URL("../support/hanging.ts", import.meta.url));
const ARGUMENTS = "Deno" in globalThis
  ? ["test", "-A", "--no-check", HANGING]
  : "Bun" in globalThis
  ? ["test", HANGING]
  : ["--test", "--test-reporter=spec", HANGING];
/** Milliseconds: long beside the start of a runtime, short beside for ever. */
const LONG = 60_000;

test("test fails a test that hangs at its time-out, and goes on with the next", async () => {
  const env = { ...process.env, TEST_TIMEOUT: "500", NO_COLOR: "1" };
  // Within a test, Node would take the inner run for a part of the outer one.
  delete (env as Record<string, string | undefined>)["NODE_TEST_CONTEXT"];
  const { error, output } = await new Promise<{ error: Error | null; output: string }>(
    (resolve) => {
      execFile(process.execPath, ARGUMENTS, { env, timeout: LONG }, (error, stdout, stderr) => {
        resolve({ error, output: stdout + stderr });
      });
    },
  );
  assertNotEquals(error, null, output);
  assert(!(error as { killed?: boolean }).killed, `It did not end by itself: ${output}`);
  assertMatch(output, /500 ?ms/);
  assertMatch(output, /runs after one that hung/);
});
