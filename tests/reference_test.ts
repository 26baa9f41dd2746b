import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { REFERENCE_ENTRIES } from "./reference/entries.ts";
import { test } from "./support/test.ts";
import commandLine from "./vectors/cli.json" with { type: "json" };
import hooks from "./vectors/hooks.json" with { type: "json" };

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const REFERENCE = "docs/reference.md";
/** Variables that the reference of Python does not list either. */
const UNLISTED_VARIABLES = ["dramatiq_worker_timeout", "dramatiq_lua_max_stack"];

/** A row of the tables. */
interface Row {
  /** The name in Python. */
  readonly entry: string;
  /** The name here: of an export, of a member of one, or of an environment variable. */
  readonly name: string;
  /** The file of the test, from the root. */
  readonly file: string;
  /** The name of the test; "…" stands for what differs between several. */
  readonly test: string;
}

const text = await readText(REFERENCE);
const rows = [...text.matchAll(
  /^\| `([^`]+)` +\| `([^`]+)`[^|]*\| \[[^\]]+\]\(\.\.\/([^)]+)\): (.+?) *\|$/gm,
)].map(([, entry, name, file, test]): Row => ({
  entry: entry!,
  name: name!,
  file: file!,
  test: test!,
}));

async function readText(file: string): Promise<string> {
  return await readFile(join(ROOT, file), "utf8");
}

/** Exports of an entry and their origin, by the names under which it exports them. */
async function readExports(entry: string): Promise<Map<string, string>> {
  const origins = new Map<string, string>();
  for (const [, from] of (await readText(entry)).matchAll(/^export \* from "([^"]+)"/gm)) {
    const inner = await readExports(join(dirname(entry), from!));
    for (const [name, origin] of inner) origins.set(name, origin);
  }
  const statements = /^export (?:type )?\{([^}]+)\} from "([^"]+)"/gm;
  for (const [, names, from] of (await readText(entry)).matchAll(statements)) {
    for (const name of names!.split(",")) {
      const exported = /(?:\w+ as )?(\w+)\s*$/.exec(name)?.[1];
      if (exported !== undefined) origins.set(exported, join(dirname(entry), from!));
    }
  }
  return origins;
}

/** The text that declares an export, that of a further index followed. */
async function declarationOf(name: string): Promise<string | undefined> {
  const origin = (await readExports("mod.ts")).get(name);
  if (origin === undefined) return undefined;
  if (!origin.endsWith("mod.ts")) return await readText(origin);
  const short = name.replace("RateLimiterBackend", "Backend");
  const inner = await readExports(origin);
  return await readText((inner.get(name) ?? inner.get(short))!);
}

/** True if a class, or one that it extends, or an interface has a member. */
async function hasMember(owner: string, member: string): Promise<boolean> {
  const library = await import("@dq/dramatiq") as unknown as Record<string, unknown>;
  const value = library[owner];
  if (typeof value === "function") {
    if (member in value || member in (value.prototype as object)) return true;
  }
  const declaration = await declarationOf(owner);
  return new RegExp(`^  (?:\\w+ )*${member}[?]?[(<:]`, "m").test(declaration ?? "");
}

test("docs/reference.md has each entry of Python's reference, in its section", () => {
  const sections = text.split(/^## /m).slice(1);
  for (const [title, entries] of Object.entries(REFERENCE_ENTRIES)) {
    const section = sections.find((one) => one.startsWith(`${title}\n`)) ?? "";
    const listed = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, entry]) => entry!);
    assertEquals(listed.toSorted(), entries.toSorted(), title);
  }
  // Each row is one that the tests below look at.
  assertEquals(rows.length, Object.values(REFERENCE_ENTRIES).flat().length);
});

test("docs/reference.md has each hook and each environment variable of the captures", () => {
  const listed = new Set(rows.map(({ entry }) => entry));
  for (const hook of hooks.hooks) assert(listed.has(`Middleware.${hook}`), hook);
  for (const { name } of commandLine.environment_variables) {
    assert(listed.has(name) || UNLISTED_VARIABLES.includes(name), name);
  }
});

test("docs/reference.md names exports and members that exist", async () => {
  const library = await import("@dq/dramatiq") as unknown as Record<string, unknown>;
  for (const { entry, name } of rows) {
    if (name.startsWith("dramatiq_")) continue;
    const [owner = "", member] = name.split(".");
    const declaration = await declarationOf(owner);
    assert(declaration !== undefined, `${entry}: mod.ts exports no ${owner}`);
    const isType = new RegExp(`^export interface ${owner}\\b`, "m").test(declaration);
    assert(isType || library[owner] !== undefined, `${entry}: ${owner} is no value`);
    if (member !== undefined) assert(await hasMember(owner, member), `${entry}: no ${name}`);
  }
});

test("docs/reference.md names environment variables that are read", async () => {
  const sources = await Promise.all([
    "worker/worker_options.ts",
    "middleware/prometheus/settings.ts",
    "middleware/group_callbacks.ts",
    "brokers/redis/options.ts",
    "brokers/rabbitmq/options.ts",
  ].map(readText));
  for (const { name } of rows.filter(({ name }) => name.startsWith("dramatiq_"))) {
    assert(sources.some((source) => source.includes(`"${name}"`)), `nobody reads ${name}`);
  }
});

test("docs/reference.md names tests that exist", async () => {
  const files = new Map<string, string>();
  for (const { file } of rows) files.set(file, files.get(file) ?? await readText(file));
  for (const { entry, file, test } of rows) {
    const parts = test.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const name = new RegExp(`["\`]${parts.join("[^\\n]+")}["\`]`);
    assert(name.test(files.get(file)!), `${entry}: ${file} has no test "${test}"`);
  }
});
