import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/test.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCE_FOLDERS = ["core", "brokers", "middleware", "results", "rate_limits", "worker", "cli"];
/** What needs a server or a client library is loaded when it is first used, never by `mod.ts`. */
const CLIENTS = ["ioredis", "amqplib", "memjs", "prom-client", "node:sqlite"];
/** Of the platform, what takes longer to load than much of the library; few programs need it. */
const SLOW = ["node:crypto", "node:child_process"];
const IMPORT = /^(?:import|export)\s(?!type\b)[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gms;

async function sources(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { recursive: true }).catch(() => []);
  return entries.filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => join(folder, name));
}

/** Modules that a file imports at run time, those of the project relative to its root. */
async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(join(ROOT, file), "utf8");
  return [...text.matchAll(IMPORT)].map(([, from, bare]) => {
    const specifier = from ?? bare ?? "";
    return specifier.startsWith(".")
      ? relative(ROOT, resolve(ROOT, dirname(file), specifier))
      : specifier;
  });
}

async function reachableFrom(entry: string): Promise<Set<string>> {
  const seen = new Set<string>();
  const left = [entry];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    if (file.endsWith(".ts")) left.push(...await importsOf(file));
  }
  return seen;
}

test("core imports neither brokers, results, rate limits, worker nor command line", async () => {
  for (const file of await sources("core")) {
    for (const imported of await importsOf(file)) {
      assert(
        !/^(brokers|results|rate_limits|worker|cli)\//.test(imported),
        `${file} imports ${imported}`,
      );
    }
  }
});

test("mod.ts loads no client library, and nothing that takes long", async () => {
  const loaded = await reachableFrom("mod.ts");
  assertEquals([...CLIENTS, ...SLOW].filter((name) => loaded.has(name)), []);
  assert(loaded.has("core/broker.ts"), "the walk does not reach the core");
});

test("runtime.ts alone asks which runtime it is on", async () => {
  for (const folder of SOURCE_FOLDERS) {
    for (const file of await sources(folder)) {
      if (file === join("core", "runtime.ts")) continue;
      const code = (await readFile(join(ROOT, file), "utf8")).replace(/\/\*.*?\*\/|\/\/.*$/gms, "");
      assert(!/\b(Deno|Bun)\s*[.[]/.test(code), `${file} names a runtime`);
      // A command line has arguments, signals and an exit code: node:process is the same on all three.
      const usesProcess = /\bprocess\s*[.[](?!ts")/.test(code);
      assert(!usesProcess || folder === "cli", `${file} uses process`);
      assert(!usesProcess || /from "node:process"/.test(code), `${file} uses the global process`);
    }
  }
});

test("no folder or file is called common, utils, helpers, types or interfaces", async () => {
  for (const folder of [...SOURCE_FOLDERS, "tests", "bench", "examples"]) {
    for (const file of await sources(folder)) {
      assert(!/(^|\/)(common|utils|helpers|types|interfaces)(\/|\.ts$)/.test(file), file);
    }
  }
});
