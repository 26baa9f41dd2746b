import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { Fixture, ROOT, RUN } from "../cli/fixture.ts";
import { test } from "../support/test.ts";

test("The program of README.md runs in an empty folder, without a server", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, program = ""] = /## Two minutes\n[^]*?```ts ignore\n([^]*?)```/.exec(readme) ?? [];
  assert(program.includes("SqliteBroker"), "README.md has no program");
  await using fixture = await Fixture.open({ "tasks.ts": program });
  const entry = join(fixture.folder, "tasks.ts");
  // Deno finds the packages of the library by its configuration, not by where the file is.
  const config = runtime === "deno" ? ["--config", join(ROOT, "deno.json")] : [];
  const options = { entry, run: [...RUN, ...config] };
  const sending = fixture.start([], options);
  assertEquals([await sending.ended, sending.output], [0, ""]);
  const working = fixture.start(["work"], options);
  await working.printed("at once: 3 words");
  await working.printed("a second later: 0 words");
  const again = fixture.start([], options);
  assertEquals(await again.ended, 0, again.output);
  await working.printed("a second later: 0 words", 2);
  working.signal("SIGINT");
  assertEquals(await working.ended, 0, working.output);
});
