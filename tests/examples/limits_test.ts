import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { ROOT, RUN } from "../cli/fixture.ts";
import { runsLongTests } from "../servers/own.ts";
import { startRedis } from "../support/servers/redis.ts";
import { runProgram } from "../support/servers/run_program.ts";
import { after, skip, test } from "../support/test.ts";
import { headerOf } from "./header.ts";

/** Examples that take the URL of a Redis; `examples_test.ts` runs them in memory. */
const NAMES = ["mutex", "per_customer", "group_callback"];

if (!runsLongTests) {
  skip("examples of limits on Redis", "they run on Deno, and here with TEST_EVERYWHERE=1");
} else {
  const redis = await startRedis();
  after(() => redis.stop());

  for (const name of NAMES) {
    test(`example ${name} prints what its header says, on Redis`, async () => {
      const { lines } = await headerOf(`limits/${name}.ts`);
      const program = join(ROOT, "examples", "limits", `${name}.ts`);
      const output = await runProgram(process.execPath, [...RUN, program, redis.url], {});
      assertEquals(output.trimEnd().split("\n"), lines);
    });
  }
}
