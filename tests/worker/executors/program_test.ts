/**
 * Realms that run the program of their worker, and what threads and processes have of the one that
 * starts them. `tests/package/` does the same from packages and bundles.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runtime } from "../../../platform/runtime.ts";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";

const SCENARIO = fileURLToPath(new URL("./program_play.ts", import.meta.url));
const CONFIG = join(dirname(dirname(dirname(dirname(SCENARIO)))), "deno.json");

/** Runs the program with flags of the runtime, and gives the lines that it printed. */
async function runScenario(flags: readonly string[], ...args: string[]): Promise<string[]> {
  const run = runtime === "deno" ? ["run", ...flags] : flags;
  const { stdout } = await promisify(execFile)(process.execPath, [...run, SCENARIO, ...args], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  return stdout.trim().split("\n");
}

const ALL = runtime === "deno" ? ["-A"] : [];

for (const executor of ["thread", "process"] as const) {
  test(`Worker with modules "main" has each ${executor} run the program up to its start`, async () => {
    const lines = await runScenario(ALL, executor);
    const begun = lines.filter((line) => line.startsWith("begins"));
    assertEquals(begun.length, 3); // the program, and two realms
    const where = JSON.parse(lines.find((line) => line.startsWith(`{"pid"`))!);
    assertEquals(where.args, [executor]);
    assertEquals(where.isMainThread, executor === "process");
    assertEquals(begun[0] === `begins: ${where.pid}`, executor === "thread");
    assertEquals(lines.length, 5);
  });

  test(`Worker with modules "main" refuses ${executor} realms to a second worker`, async () => {
    const lines = await runScenario(ALL, executor, "second");
    assertMatch(lines.at(-1)!, /^TypeError: Cannot run this program in \w+ for a second worker/);
    assertEquals(lines.length, 2);
  });

  test(`${executor} realms have the flags of the program, and no role for what they start`, async () => {
    await withFolder(async (folder) => {
      const preload = join(folder, "preload.cjs");
      await writeFile(preload, "globalThis.preloaded = true;");
      const flags = {
        deno: [
          "--allow-read",
          "--allow-env",
          "--allow-run",
          "--allow-sys",
          "--allow-net=127.0.0.1:7",
          `--config=${CONFIG}`,
        ],
        bun: ["--preload", preload],
        node: [`--require=${preload}`, "--stack-trace-limit=7"],
      }[runtime];
      const lines = await runScenario(flags, executor);
      const seen = JSON.parse(lines.at(-1)!);
      assertEquals(seen.role, undefined);
      if (runtime === "deno") return assertEquals(seen.net, ["prompt", "granted"]);
      assert(seen.preloaded, lines.join("\n"));
      if (runtime === "node") assertEquals(seen.stackTraceLimit, 7);
    });
  });
}

test("ProcessExecutor says at once why it cannot start a process", async () => {
  if (runtime === "deno") {
    const lines = await runScenario(["--allow-read", "--allow-env", "--allow-sys"], "process");
    assertStringIncludes(lines.at(-1)!, "Cannot start a process: ");
    assertMatch(lines.at(-1)!, /NotCapable: Requires run access|--allow-run/);
    return;
  }
  const program = `
    import { StubBroker, Worker } from ${
    JSON.stringify(new URL("../../../mod.ts", import.meta.url).href)
  };
    process.execPath = "/nowhere/to/be/found";
    const options = { executor: "process", threads: 2, modules: ["/actors.js"] };
    await new Worker(new StubBroker(), options).start().catch((error) => console.log(String(error)));
    process.exit(0);
  `;
  await withFolder(async (folder) => {
    const file = join(folder, "program.mjs");
    await writeFile(file, program);
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    assertMatch(stdout, /^DramatiqError: Cannot start a process: .*ENOENT/);
  });
});
