import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { runtime } from "../../../platform/runtime.ts";
import { test } from "../../support/test.ts";

const PROGRAM = fileURLToPath(new URL("closes_while_opening.ts", import.meta.url));
/** Milliseconds: long beside the start of a runtime. */
const LONG = 30_000;

test("RedisConnection.close lets the process end though its client is still being made", async () => {
  const args = runtime === "deno" ? ["run", "-A", "--no-check", PROGRAM] : [PROGRAM];
  const outcome = await new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: LONG }, (error, stdout) => {
      resolve([error === null ? 0 : error.killed ? "it went on" : error.code, stdout]);
    });
  });
  assertEquals(outcome, [0, "closed\n"]);
});
