import { access, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/test.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

async function pages(): Promise<string[]> {
  const folders = [".", "docs", "docs/operations", "bench", "tests", "tests/vectors"].map((
    folder,
  ) => join(ROOT, folder));
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
  const names = (await readdir(join(ROOT, "docs"), { recursive: true }))
    .filter((name) => name.endsWith(".md"));
  assertEquals(names.filter((name) => !text.includes(`](docs/${name})`)), []);
});

test("docs/architecture.md and tests/README.md name files that exist", async () => {
  const pages: [string, string, RegExp][] = [
    ["docs/architecture.md", "", /\b[a-z_]+\/[a-z_/]+\.ts\b/g],
    ["tests/README.md", "tests", /(?<=`)[a-z_/]+(?:\.ts|\/)(?=`)/g],
  ];
  for (const [page, folder, path] of pages) {
    const text = await readFile(join(ROOT, page), "utf8");
    const named = new Set(text.match(path));
    assert(named.size > 20, `${page} names ${named.size} files`);
    for (const name of named) {
      const isThere = await access(join(ROOT, folder, name)).then(() => true, () => false);
      const isOfTree = await access(join(ROOT, name)).then(() => true, () => false);
      assert(isThere || isOfTree, `${page} names ${name}`);
    }
  }
});
