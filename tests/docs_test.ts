import { access, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { readPages, ROOT } from "./docs/pages.ts";
import { test } from "./support/test.ts";

async function pages(): Promise<string[]> {
  const own = [".", ".github", "docs", "docs/operations", "bench", "examples"];
  const ofTests = ["tests", "tests/torture", "tests/vectors"];
  const folders = [...own, ...ofTests].map((folder) => join(ROOT, folder));
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

test("README.md and docs/README.md lead to every page of docs", async () => {
  const names = (await readdir(join(ROOT, "docs"), { recursive: true }))
    .filter((name) => name.endsWith(".md") && name !== "README.md");
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const contents = await readFile(join(ROOT, "docs/README.md"), "utf8");
  const isLinked = (name: string) =>
    readme.includes(`](docs/${name})`) || contents.includes(`](${name})`);
  assertEquals(names.filter((name) => !isLinked(name)), []);
  assert(readme.includes("](docs/README.md)"));
});

test("Each page on the path of docs/README.md ends with a link to the next one", async () => {
  const contents = await readFile(join(ROOT, "docs/README.md"), "utf8");
  const path = Array.from(
    contents.matchAll(/^\d+\. \[([^\]]+)\]\(([^)]+)\)/gm),
    ([, title, page]) => ({ title: title!, page: page! }),
  );
  assert(path.length > 8, "it must see the path");
  for (const [i, { page }] of path.entries()) {
    const text = await readFile(join(ROOT, "docs", page), "utf8");
    const next = path[i + 1];
    const expected = next === undefined ? [] : [`Next: [${next.title}](${next.page})`];
    assertEquals(text.match(/^Next: .*$/gm) ?? [], expected, page);
    if (next !== undefined) assertEquals(text.trimEnd().split("\n").at(-1), expected[0], page);
  }
});

test("No row of a table is longer than 200 characters", async () => {
  const long: string[] = [];
  for (const { name, text } of await readPages()) {
    for (const [i, line] of text.split("\n").entries()) {
      if (line.startsWith("|") && line.length > 200) long.push(`${name}:${i + 1}: ${line.length}`);
    }
  }
  assertEquals(long, []);
});

test("README.md begins with the two commands, and has at most 200 lines", async () => {
  const text = await readFile(join(ROOT, "README.md"), "utf8");
  const [, block = ""] = /^```sh\n(.*?)^```/ms.exec(text) ?? [];
  const commands = block.trim().split("\n").map((line) => line.replace(/\s*#.*/, ""));
  assertEquals(commands, ["npx -y deno@2.9 task demo", "npx -y deno@2.9 task test"]);
  assert(text.split("\n").length <= 201, `${text.split("\n").length - 1} lines`);
});

test("Pages that README.md links to are in the package, which JSR and npm show", async () => {
  const { publish } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  const isExcluded = (link: string) =>
    publish.exclude.some((path: string) => link === path || link.startsWith(`${path}/`)) &&
    !publish.exclude.includes(`!${link}`);
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const links = Array.from(readme.matchAll(/\[[^\]]*\]\(([^)#]+)/g), ([, link]) => link!)
    .filter((link) => !link.startsWith("https:"));
  assert(links.length > 10, "it must see links");
  assertEquals(links.filter(isExcluded), []);
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
