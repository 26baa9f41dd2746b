import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { withFolder } from "../support/folder.ts";
import { test } from "../support/test.ts";
import { type Fence, fencesOf, readDocComments, readPages, ROOT } from "./pages.ts";

/** Names of what needs a server to be created, or used. */
const SERVERS = /\b(?:redis|rediss|amqp|amqps|http):\/\/|\b(?:Redis|Rabbitmq|Memcached)\w*\(/;
/** A program: it works until a signal, or is run with files that the page names. */
const PROGRAMS =
  /\brunWorker\(|process\.argv|Deno\.serve|Bun\.serve|createServer|SqliteBroker\(\{ path: "/;
/** Modules that are there on each runtime. */
const OWN_MODULES = /^(?:@dq\/dramatiq(?:\/|$)|@std\/assert$|@logtape\/logtape$|node:(?!test))/;
const IMPORT = /^import (?:type )?\{([^}]*)\} from "([^"]+)";$/gm;

const snippets = (await readPages()).flatMap(fencesOf).filter(({ language }) => language === "ts");
const examples = (await readDocComments()).flatMap(fencesOf)
  .filter(({ language }) => language === "ts");
const { exports }: { exports: Record<string, string> } = JSON.parse(
  await readFile(join(ROOT, "deno.json"), "utf8"),
);

/** Why a snippet is not run; `undefined` if nothing keeps it from being run. */
function reasonToIgnore({ text }: Fence): string | undefined {
  const modules = Array.from(text.matchAll(IMPORT), ([, , module]) => module!);
  if (!modules.some((module) => module.startsWith("@dq/dramatiq"))) return "a part of a program";
  if (PROGRAMS.test(text)) return "a program";
  if (SERVERS.test(text)) return "needs a server";
  if (modules.some((module) => module.startsWith("./"))) return "needs another file";
  if (modules.some((module) => !OWN_MODULES.test(module))) return "needs another package";
  if (/\w\.options\["|currentMessage\(\)!/.test(text)) return "the body of an actor";
  return undefined;
}

/** The file of an entry of the package; `undefined` for a module of another one. */
function fileOf(module: string): string | undefined {
  const [, entry] = /^@dq\/dramatiq(\/.+)?$/.exec(module) ?? [, null];
  return entry === null ? undefined : exports[`.${entry ?? ""}`] ?? `no entry ${module}`;
}

/** Names that a file exports, types included. */
async function exportsOf(file: string): Promise<Set<string>> {
  const source = await readFile(join(ROOT, file), "utf8");
  const names = new Set<string>();
  for (const [, from] of source.matchAll(/^export \* from "([^"]+)"/gm)) {
    for (const name of await exportsOf(join(dirname(file), from!))) names.add(name);
  }
  for (const [, list] of source.matchAll(/^export (?:type )?\{([^}]+)\}/gm)) {
    for (const name of list!.split(",")) names.add(name.trim().split(/\s+/).at(-1)!);
  }
  const declared = /^export (?:abstract |async )?(?:class|const|function|interface|type) (\w+)/gm;
  for (const [, name] of source.matchAll(declared)) names.add(name!);
  return names;
}

test("A snippet that is not run is a part, a program, or needs a server", () => {
  const ignored = snippets.filter(({ isIgnored }) => isIgnored);
  const without = ignored.filter((snippet) => reasonToIgnore(snippet) === undefined);
  assertEquals(without.map(({ page, line }) => `${page.name}:${line}`), []);
  assert(snippets.length - ignored.length > ignored.length, "most snippets are run");
});

test("Snippets import what the entries of the package export", async () => {
  const missing: string[] = [];
  for (const { page, line, text } of [...snippets, ...examples]) {
    for (const [, names, module] of text.matchAll(IMPORT)) {
      const file = fileOf(module!);
      if (file === undefined) continue;
      const exported = await exportsOf(file);
      for (const name of names!.split(",").map((one) => one.trim().replace(/^type /, ""))) {
        if (name !== "" && !exported.has(name.split(" ")[0]!)) {
          missing.push(`${page.name}:${line}: ${name} of ${module}`);
        }
      }
    }
  }
  assertEquals(missing, []);
});

/** Runs a program of the runtime of this process. */
async function runProgram(...args: string[]): Promise<{ code: number; output: string }> {
  const env = { ...process.env, NO_COLOR: "1" };
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"], env });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => output += part);
  }
  const [code] = await once(child, "close");
  return { code, output };
}

/** Runs snippets one after the other, in one process: each is a module. */
async function runSnippets(
  all: readonly Fence[],
  folder: string,
): Promise<{ code: number; output: string }> {
  const urlOf = (module: string) => pathToFileURL(join(ROOT, fileOf(module)!)).href;
  const run = all.filter(({ isIgnored, text }) =>
    !isIgnored &&
    Array.from(text.matchAll(IMPORT)).every(([, , module]) => OWN_MODULES.test(module!))
  );
  const lines = await Promise.all(run.map(async ({ page, line, text }, i) => {
    const module = text.replaceAll(/(?<=from ")@dq\/dramatiq[^"]*(?=")/g, urlOf);
    await writeFile(join(folder, `snippet${i}.ts`), module);
    return `at = "${page.name}:${line}"; await import("./snippet${i}.ts");`;
  }));
  const program = `import process from "node:process";
let at = "";
process.on("exit", (code) => { if (code !== 0) console.log(\`Failed in \${at}\`); });
${lines.join("\n")}
console.log("All ran"); process.exit();
`;
  await writeFile(join(folder, "main.mjs"), program);
  if (runtime === "deno") {
    const config = join(ROOT, "deno.json");
    return await runProgram(
      "run",
      "-A",
      "--no-check",
      "--config",
      config,
      join(folder, "main.mjs"),
    );
  }
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return await runProgram(join(folder, "main.mjs"));
}

function declareRuns(name: string, all: readonly Fence[]): void {
  test(name, () =>
    withFolder(async (folder) => {
      const { code, output } = await runSnippets(all, folder);
      assertEquals(code, 0, output);
      assert(output.includes("All ran"), output);
    }));
}

declareRuns("Snippets of README.md and docs/ run", snippets);
declareRuns("Examples in doc comments run", examples);
