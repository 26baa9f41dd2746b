import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { test } from "./support/test.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCE_FOLDERS = [
  "core",
  "encoders",
  "platform",
  "clients",
  "brokers",
  "control",
  "dashboard",
  "middleware",
  "opentelemetry",
  "results",
  "testing",
  "rate_limits",
  "worker",
  "cli",
];
/** Client libraries: each is loaded when it is first used, never by `mod.ts`. */
const CLIENTS = [
  "ioredis",
  "amqplib",
  "memjs",
  "prom-client",
  "croner",
  "node:sqlite",
  "hono/tiny",
  "@opentelemetry/api",
];
/** Of the platform, what takes longer to load than much of the library; few programs need it. */
const SLOW = ["node:crypto", "node:child_process"];
const IMPORT = /^(?:import|export)\s(?!type\b)[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"/gms;

/** Any import or export with a literal: types, and those made at run time, included. */
const ANY_IMPORT = /\bfrom\s+"([^"]+)"|\bimport\s+"([^"]+)"|\bimport\("([^"]+)"\)/g;
const COMMENT = /\/\*[^]*?\*\/|(?<=^|\s)\/\/.*$/gm;

/** A file that is named by a URL; "./actors.ts" is an example in texts. */
const BY_URL = /\bnew URL\(\s*["'`]\.\.?\/(?!actors\.ts)|import\.meta\.resolve\(\s*["'`]\./;

/** A file without its comments, which may hold examples. */
async function codeOf(file: string): Promise<string> {
  return (await readFile(join(ROOT, file), "utf8")).replace(COMMENT, "");
}

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

/** For each folder, the folders that its files import from, types included. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  encoders: ["core", "platform"],
  core: ["encoders", "platform"],
  clients: ["core", "encoders", "platform"],
  control: ["clients", "core", "platform"],
  dashboard: ["control", "core", "encoders", "platform"],
  rate_limits: ["clients", "core", "platform"],
  middleware: ["control", "core", "encoders", "platform", "rate_limits"],
  opentelemetry: ["core", "platform"],
  results: ["clients", "core", "encoders", "middleware", "platform"],
  brokers: ["clients", "control", "core", "encoders", "middleware", "platform"],
  worker: ["control", "core", "encoders", "platform"],
  testing: [
    "brokers",
    "control",
    "core",
    "middleware",
    "platform",
    "rate_limits",
    "results",
    "worker",
  ],
  cli: ["brokers", "control", "core", "dashboard", "platform", "worker"],
};

/** Files of the one circle that may stand: an actor sends messages by a broker that has actors. */
const CIRCLE = /^core\/[a-z_]+\.ts$/;
const LARGEST_CIRCLE = 17;

/** Files of the library that a file imports, types included. */
async function arrowsOf(file: string): Promise<string[]> {
  const imports = [...(await codeOf(file)).matchAll(ANY_IMPORT)];
  return imports.map(([, from, bare, dynamic]) => from ?? bare ?? dynamic!)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => relative(ROOT, resolve(ROOT, dirname(file), specifier)));
}

/** The import graph of all source folders, types included. */
async function importGraph(): Promise<Map<string, string[]>> {
  const files = (await Promise.all(SOURCE_FOLDERS.map(sources))).flat();
  return new Map(
    await Promise.all(
      files.map(async (file) => [file, await arrowsOf(file)] as const),
    ),
  );
}

/** Groups of files that import each other, however indirectly (Tarjan's algorithm). */
function circlesIn(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    open.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!order.has(next)) visit(next);
      if (open.includes(next)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(next)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const circle = open.splice(open.indexOf(file));
    if (circle.length > 1) circles.push(circle.toSorted());
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return circles;
}

test("each folder imports only from the folders below it, types included", async () => {
  assertEquals(Object.keys(ARROWS).toSorted(), SOURCE_FOLDERS.toSorted());
  for (const [file, imported] of await importGraph()) {
    const folder = file.split("/")[0]!;
    for (const target of imported) {
      const other = target.split("/")[0]!;
      const isAllowed = other === folder || ARROWS[folder]!.includes(other);
      assert(isAllowed, `${file} imports ${target}`);
    }
  }
});

test("one circle of imports stands, types included: actors, messages and brokers", async () => {
  const circles = circlesIn(await importGraph());
  assertEquals(circles.length, 1, circles.map((files) => files.join(" ")).join("\n"));
  const [circle] = circles as [string[]];
  assert(circle.every((file) => CIRCLE.test(file)), circle.join(" "));
  assert(circle.length <= LARGEST_CIRCLE, `${circle.length} files: ${circle.join(" ")}`);
  for (const name of ["actor", "broker", "message", "pipeline"]) {
    assert(circle.includes(`core/${name}.ts`), `${name} is not in the circle`);
  }
});

test("circlesIn finds circles through several files, and none in a tree", () => {
  const tree = new Map([["a", ["b", "c"]], ["b", ["d"]], ["c", ["d"]], ["d", []]]);
  assertEquals(circlesIn(tree), []);
  const ring = new Map([["a", ["b"]], ["b", ["c"]], ["c", ["a", "d"]], ["d", ["e"]], ["e", ["d"]]]);
  assertEquals(circlesIn(ring), [["d", "e"], ["a", "b", "c"]]);
});

test("mod.ts and worker.ts load no client library, and mod.ts nothing that takes long", async () => {
  const loaded = await reachableFrom("mod.ts");
  assertEquals([...CLIENTS, ...SLOW].filter((name) => loaded.has(name)), []);
  const byWorker = await reachableFrom("worker.ts");
  assertEquals(CLIENTS.filter((name) => byWorker.has(name)), []);
  assert(
    (await reachableFrom("dashboard/mod.ts")).has("hono/tiny"),
    "the walk does not reach Hono",
  );
  assert(loaded.has("core/broker.ts"), "the walk does not reach the core");
});

test("every published file is imported by a literal, so that packers and bundlers find it", async () => {
  const { exports } = JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8"));
  const seen = new Set<string>();
  const left: string[] = Object.values<string>(exports).map((path) => join(path));
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const match of (await codeOf(file)).matchAll(ANY_IMPORT)) {
      const specifier = match[1] ?? match[2] ?? match[3]!;
      if (specifier.startsWith(".")) left.push(join(dirname(file), specifier));
    }
  }
  for (const folder of SOURCE_FOLDERS) {
    for (const file of await sources(folder)) {
      assert(seen.has(file), `${file} is reached by no import`);
      const isEntry = file === join("worker", "executors", "entry.ts"); // imports the same files
      const url = isEntry ? null : BY_URL.exec(await codeOf(file));
      assert(url === null, `${file} names a file by ${url?.[0]}, which no packer follows`);
    }
  }
});

test("published files are free of `using`, which Node 22 does not know", async () => {
  for (const folder of SOURCE_FOLDERS) {
    for (const file of await sources(folder)) {
      assert(!/^\s*(?:await\s+)?using\s+\w/m.test(await codeOf(file)), file);
    }
  }
  for (const file of ["mod.ts", "worker.ts"]) {
    assert(!/^\s*(?:await\s+)?using\s+\w/m.test(await codeOf(file)), file);
  }
});

test("runtime.ts alone asks which runtime it is on", async () => {
  for (const folder of SOURCE_FOLDERS) {
    for (const file of await sources(folder)) {
      if (file === join("platform", "runtime.ts")) continue;
      const code = await codeOf(file);
      assert(!/\b(Deno|Bun)\s*[.[]/.test(code), `${file} names a runtime`);
      if (file === join("platform", "process.ts")) continue; // asks runtime.ts for the process
      // A command line has arguments, signals and an exit code: node:process is the same on all three.
      const usesProcess = /(?<!messaging\.)\bprocess\s*[.[](?!ts")/.test(code);
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

test("SQL has no numbered parameters, which the SQLite of Node 22 takes for names", async () => {
  for (const folder of SOURCE_FOLDERS) {
    for (const file of (await sources(folder)).filter((file) => /sqlite/.test(file))) {
      assert(!/["'`].*[=(,<>]\?\d.*["'`]/.test(await codeOf(file)), file);
    }
  }
});

test("the dashboard puts text into pages by templates alone, which escape it", async () => {
  for (const file of await sources("dashboard")) {
    const code = await codeOf(file);
    assert(!/\braw\b/.test(code) && !/\bHtmlEscaped/.test(code), `${file} inserts raw HTML`);
  }
});
