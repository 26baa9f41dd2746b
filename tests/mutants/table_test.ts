import { access, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { test } from "../support/test.ts";
import { select, TABLE } from "./table.ts";

const ROOT = new URL("../../", import.meta.url);
const all = Object.values(TABLE).flat();

test("TABLE names tests that are there, and replaces a text by another one", async () => {
  for (const path of new Set(all.flatMap(({ tests }) => tests))) {
    await access(fileURLToPath(new URL(path, ROOT)));
  }
  for (const { mistake, text, replacement, stays } of all) {
    assert(text.trim() !== "", mistake);
    assertNotEquals(text, replacement, mistake);
    assert(stays === undefined || stays.length > 20, `${mistake}: it must say why it stays`);
  }
});

test("TABLE has texts that are in their files, once", async () => {
  const sources = new Map<string, string>();
  for (const { file } of all) {
    if (!sources.has(file)) sources.set(file, await readFile(new URL(file, ROOT), "utf8"));
  }
  const stale = all.filter(({ file, text }) => sources.get(file)!.split(text).length !== 2);
  assertEquals(stale.map(({ file, mistake }) => `${file}: ${mistake}`), []);
});

test("TABLE has each mistake of a file once", () => {
  const names = all.map(({ file, mistake }) => `${file}: ${mistake}`);
  assertEquals(names.filter((name, i) => names.indexOf(name) !== i), []);
});

test("select takes numbers, ranges and parts of paths", () => {
  const numbers = (...wanted: string[]) => select(wanted).map(({ number }) => number);
  assertEquals(numbers("2", "5-7"), [2, 5, 6, 7]);
  assertEquals(numbers().length, all.length);
  const files = new Set(select(["worker/settlement"]).map(({ mutant }) => mutant.file));
  assertEquals([...files], ["worker/settlement.ts"]);
  assertEquals(numbers("no/such/file"), []);
});
