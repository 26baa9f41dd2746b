import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { counted } from "../../platform/counted.ts";
import { test } from "../support/test.ts";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const FOLDERS = ["brokers", "cli", "clients", "control", "core", "middleware", "results", "worker"];
/** A placeholder of a log line with a fixed plural behind it, wrong for the number 1. */
const PLURAL =
  /(?<!More than |\$)\{\w+\} (?:[a-z]+ )?(?:actors|messages|retries|settlements|times)\b/g;

test("counted takes the singular for one thing, the plural for none and for several", () => {
  const text = "Requeued {count} message(s) of {queue} in {n} process(es), which (was|were) lost";
  const several = "Requeued {count} messages of {queue} in {n} processes, which were lost";
  assertEquals(
    counted(1, text),
    "Requeued {count} message of {queue} in {n} process, which was lost",
  );
  for (const count of [0, 2]) assertEquals(counted(count, text), several);
  assertEquals(counted(1, "retr(y|ies)"), "retry");
});

test("Log lines with numbers of messages take their plurals from counted", async () => {
  const found: string[] = [];
  let files = 0;
  for (const folder of FOLDERS) {
    for (const name of await readdir(join(ROOT, folder), { recursive: true })) {
      if (!name.endsWith(".ts")) continue;
      files += 1;
      const text = await readFile(join(ROOT, folder, name), "utf8");
      found.push(...Array.from(text.matchAll(PLURAL), ([line]) => `${folder}/${name}: ${line}`));
    }
  }
  assert(files > 200, `it must see files, not ${files}`);
  assertEquals(found, []);
});
