import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { test } from "../support/test.ts";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "../../examples/testing");

/** Arguments of each runtime, and what its runner prints. Vitest: `tests/package/testing.ts`. */
const RUNS: Readonly<
  Record<string, { readonly args: readonly string[]; readonly prints: RegExp }>
> = {
  deno: { args: ["test", "-A", "--no-check"], prints: /\b4 passed .* 0 failed/ },
  bun: { args: ["test"], prints: /\b4 pass\n 0 fail/ },
  node: { args: ["--test", "--test-reporter=tap"], prints: /^# pass 4\n# fail 0$/m },
};

test("the example tests of an application pass, with the test runner of this runtime", async () => {
  const { args, prints } = RUNS[runtime]!;
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env; // else Node reports to its parent
  const options = { env: { ...env, NO_COLOR: "1" } };
  const file = join(FOLDER, `${runtime}_tests.ts`);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...args, file], options);
  assert(prints.test(stdout + stderr), stdout + stderr);
});
