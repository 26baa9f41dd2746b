import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/test.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

async function exportsOf(file: string): Promise<Record<string, string>> {
  return JSON.parse(await readFile(join(ROOT, file), "utf8")).exports;
}

test("deno.json and package.json have the same exports", async () => {
  assertEquals(await exportsOf("package.json"), await exportsOf("deno.json"));
});

test("each entry loads by its name, with the same classes as the others", async () => {
  const all = await import("@dq/dramatiq") as Record<string, unknown>;
  for (const entry of Object.keys(await exportsOf("deno.json"))) {
    const names = await import(`@dq/dramatiq${entry.slice(1)}`) as Record<string, unknown>;
    assert(Object.keys(names).length > 0, entry);
    if (!/^\.\/(?:core|brokers|middleware)/.test(entry)) continue; // others have shorter names
    for (const [name, value] of Object.entries(names)) assertEquals(all[name], value, name);
  }
});
