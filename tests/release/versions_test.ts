import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findOtherVersions } from "../../release/check_version.ts";
import { completePackage } from "../../release/npm_package.ts";
import { test } from "../support/test.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (file: string) => readFile(join(ROOT, file), "utf8");

test("findOtherVersions finds the version in each file, and what differs from the tag", async () => {
  const { version } = JSON.parse(await read("deno.json"));
  const others = await findOtherVersions(`v${version}`, read);
  // Between releases the changelog begins with what is not released.
  assertEquals(others.filter((other) => other !== "CHANGELOG.md: Unreleased"), []);
  assertEquals((await findOtherVersions("v0.0.0", read)).length, 4);
});

test("completePackage keeps what is packed, and adds what npm and bundlers need", async () => {
  const own = JSON.parse(await read("package.json"));
  const fields = completePackage(
    { name: "@dq/dramatiq", exports: { ".": "./mod.js" } },
    own,
    ["./mod.js"],
    "a/b",
  );
  assertEquals(fields["exports"], { ".": "./mod.js" });
  assertEquals(fields["bin"], { dramatiq: "./dramatiq.js" });
  assertEquals(fields["engines"], own.engines);
  assertEquals(fields["description"], own.description);
  assertEquals(fields["repository"], { type: "git", url: "git+https://github.com/a/b.git" });
  assertEquals(fields["sideEffects"], ["./mod.js"]);
  assertEquals("repository" in completePackage({}, own, []), false);
});

test("release.yml runs programs and tasks that are there", async () => {
  const workflow = await read(".github/workflows/release.yml");
  const { tasks } = JSON.parse(await read("deno.json"));
  for (const [, task] of workflow.matchAll(/deno task ([\w:]+)/g)) assert(task! in tasks, task);
  for (const [, file] of workflow.matchAll(/(?:deno run \S+|bash) ([\w./]+)/g)) {
    assert((await read(file!)).length > 0, file);
  }
  assertStringIncludes(workflow, "id-token: write");
});

test("release.yml names actions by commit, and publishes after both dry runs", async () => {
  const workflow = await read(".github/workflows/release.yml");
  const actions = Array.from(workflow.matchAll(/uses: (\S+)/g), ([, action]) => action!);
  assertEquals(actions.filter((action) => !/@[\da-f]{40}$/.test(action)), []);
  const commands = Array.from(
    workflow.matchAll(/(?:deno|npm) publish( --dry-run)?/g),
    ([all]) => all,
  );
  assertEquals(commands, [
    "deno publish --dry-run",
    "npm publish --dry-run",
    "deno publish",
    "npm publish",
  ]);
});
