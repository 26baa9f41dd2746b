import { exec } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { assert, assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { Fixture, kill, ROOT, RUN } from "../cli/fixture.ts";
import { test } from "../support/test.ts";

// Deno finds the packages of the library by its configuration, not by where the file is.
const CONFIG = runtime === "deno" ? ["--config", join(ROOT, "deno.json")] : [];

test("The program of README.md runs in an empty folder, without a server", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const [, program = ""] = /## Two minutes\n[^]*?```ts ignore\n([^]*?)```/.exec(readme) ?? [];
  assert(program.includes("SqliteBroker"), "README.md has no program");
  await using fixture = await Fixture.open({ "tasks.ts": program });
  const entry = join(fixture.folder, "tasks.ts");
  const options = { entry, run: [...RUN, ...CONFIG] };
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

test("The programs of docs/first-steps.md send a job that survives a kill", async () => {
  const page = await readFile(join(ROOT, "docs/first-steps.md"), "utf8");
  const programs = page.matchAll(/Save this as `(\w+\.ts)`[^`]*```ts ignore\n([^]*?)```/g);
  const modules = Object.fromEntries(Array.from(programs, ([, name, text]) => [name!, text!]));
  assertEquals(Object.keys(modules), ["actors.ts", "send.ts"]);
  await using fixture = await Fixture.open(modules);
  if (runtime === "node") {
    const [, steps] = /^(npm init .*) && npm install @dq\/dramatiq /m.exec(page)!;
    await promisify(exec)(steps!, { cwd: fixture.folder });
  }
  const run = [...RUN, ...CONFIG];
  const entry = join(fixture.folder, "send.ts");
  const send = async (...args: string[]) => {
    const sending = fixture.start(args, { entry, run });
    assertEquals([await sending.ended, sending.output], [0, ""]);
  };
  await send("tea", "0");
  const worker = fixture.start(["actors.ts", "--threads", "1"], { run });
  await worker.printed("Finished tea");
  await send("coffee", "4");
  await worker.printed("Started coffee");
  kill(worker.workers[0]!);
  await worker.printed("Started coffee", 2);
  await worker.printed("Finished coffee");
  assertEquals(await worker.stop(), 0, worker.output);
  assertEquals(worker.output.match(/Finished coffee/g)?.length, 1, worker.output);
});
