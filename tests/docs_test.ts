import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { test } from "./support/test.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

async function pages(): Promise<string[]> {
  const folders = [".", "docs", "bench", "tests/vectors"].map((folder) => join(ROOT, folder));
  const names = await Promise.all(folders.map((folder) => readdir(folder)));
  return folders.flatMap((folder, i) => names[i]!.map((name) => join(folder, name)))
    .filter((file) => file.endsWith(".md"));
}

/** The names by which headings of a page are linked to. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm);
  return new Set(
    Array.from(
      headings,
      ([, heading]) =>
        heading!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"),
    ),
  );
}

test("Links between pages lead somewhere", async () => {
  const broken: string[] = [];
  for (const page of await pages()) {
    const text = await readFile(page, "utf8");
    const prose = text.replace(/^```.*?^```/gms, "");
    for (const [, target = ""] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      const exists = await stat(file).then(() => true, () => false);
      const isFound = exists &&
        (anchor === undefined || anchorsOf(await readFile(file, "utf8")).has(anchor));
      if (!isFound) broken.push(`${relative(ROOT, page)}: ${target}`);
    }
  }
  assertEquals(broken, []);
});

test("README.md leads to every page of docs", async () => {
  const text = await readFile(join(ROOT, "README.md"), "utf8");
  const names = await readdir(join(ROOT, "docs"));
  assertEquals(names.filter((name) => !text.includes(`](docs/${name})`)), []);
});
