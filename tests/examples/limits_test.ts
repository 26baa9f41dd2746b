import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { startRedis } from "../support/servers/redis.ts";
import { runProgram } from "../support/servers/run_program.ts";
import { after, test } from "../support/test.ts";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "../../examples/limits");

/** Output of each example, on whatever backend. */
const OUTPUTS: Readonly<Record<string, readonly string[]>> = {
  mutex: [
    "grace: somebody else is writing the report",
    "edsger: somebody else is writing the report",
    "ada: wrote the report",
    "barbara: wrote the report",
  ],
  per_customer: ["ada: 7 calls", "grace: 4 calls"],
  group_callback: [
    "holidays: published",
    "holidays: all tried",
    "3 pictures",
    "garden: all tried",
    "4 pictures",
  ],
};

const redis = await startRedis();
after(() => redis.stop());

for (const [name, lines] of Object.entries(OUTPUTS)) {
  const run = async (...urls: string[]) => {
    const args = [...(runtime === "deno" ? ["run", "-A"] : []), join(FOLDER, `${name}.ts`)];
    const output = await runProgram(process.execPath, [...args, ...urls], {});
    assertEquals(output.trim().split("\n"), lines);
  };

  test(`example ${name} prints what it promises, in memory`, () => run());

  test(`example ${name} prints what it promises, on Redis`, () => run(redis.url));
}
