import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { REFERENCE_ENTRIES } from "./reference/entries.ts";
import { test } from "./support/test.ts";
import commandLine from "./vectors/cli.json" with { type: "json" };
import hooks from "./vectors/hooks.json" with { type: "json" };

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const REFERENCE = "docs/reference.md";
/** Variables that Python's reference does not list either. */
const UNLISTED_VARIABLES = ["dramatiq_worker_timeout", "dramatiq_lua_max_stack"];

/** A row of the tables. */
interface Row {
  /** The name in Python. */
  readonly entry: string;
  /** The name here: of an export, of a member of one, or of an environment variable. */
  readonly name: string;
}

const text = await readText(REFERENCE);
const rows = [...text.matchAll(/^\| `([^`]+)` +\| `([^`]+)`[^|]*\|$/gm)]
  .map(([, entry, name]): Row => ({ entry: entry!, name: name! }));

async function readText(file: string): Promise<string> {
  return await readFile(join(ROOT, file), "utf8");
}

/** Origin files of the exports of an entry, by exported name. */
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

/** Source of the file that declares an export, found through nested `mod.ts` files. */
async function declarationOf(name: string): Promise<string | undefined> {
  const origin = (await readExports("mod.ts")).get(name);
  if (origin === undefined) return undefined;
  if (!origin.endsWith("mod.ts")) return await readText(origin);
  const short = name.replace("RateLimiterBackend", "Backend");
  const inner = await readExports(origin);
  return await readText((inner.get(name) ?? inner.get(short))!);
}

/** True if a class (own or inherited) or an interface has a member. */
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
  // The pattern of `rows` matches every row, so the tests below check all of them.
  assertEquals(rows.length, Object.values(REFERENCE_ENTRIES).flat().length);
});

test("No row of docs/reference.md or docs/from-python.md is over 200 characters", async () => {
  for (const page of [REFERENCE, "docs/from-python.md"]) {
    const lines = (await readText(page)).split("\n");
    assertEquals(lines.filter((line) => line.startsWith("|") && line.length > 200), [], page);
  }
});

/** Names in the tables of docs/from-python.md that are no names of the library. */
const SAMPLES = ["add", "double", "fn", "info"];

test("docs/from-python.md calls what the package or docs/reference.md has", async () => {
  const library = await import("@dq/dramatiq") as unknown as Record<string, unknown>;
  const known = new Set([...Object.keys(library), ...SAMPLES]);
  for (const { name } of rows) for (const part of name.split(".")) known.add(part);
  for (const value of Object.values(library)) {
    const prototype: unknown = typeof value === "function" ? value.prototype : undefined;
    for (const member of Object.getOwnPropertyNames(prototype ?? {})) known.add(member);
  }
  const page = await readText("docs/from-python.md");
  const cells = [...page.matchAll(/^\|(?:[^|`]|`[^`]*`)+\|(.+)\|$/gm)].map(([, cell]) => cell!);
  const spans = cells.flatMap((cell) => cell.match(/`[^`]+`/g) ?? []);
  const called = spans.flatMap((span) => span.match(/\b[A-Za-z]\w*(?=\()/g) ?? []);
  assert(called.length > 50, `it must see calls, not ${called.length}`);
  assertEquals(called.filter((name) => !known.has(name)), []);
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
    assert(isType || library[owner] !== undefined, `${entry}: mod.ts exports no value ${owner}`);
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
    assert(sources.some((source) => source.includes(`"${name}"`)), `no source file reads ${name}`);
  }
});

/** Comments `// Reference: entry, entry` of the tests, with the line of code that each stands above. */
async function readProofs(): Promise<{ place: string; entries: string[]; subject: string }[]> {
  const files = (await readdir(join(ROOT, "tests"), { recursive: true }))
    .filter((file) => file.endsWith(".ts"));
  const found = await Promise.all(files.map(async (file) => {
    const lines = (await readText(join("tests", file))).split("\n");
    return lines.flatMap((line, i) => {
      const entries = /^ *\/\/ Reference: (.+)$/.exec(line)?.[1]?.split(", ");
      if (entries === undefined) return [];
      const subject = lines.slice(i + 1).find((next) => !/^ *\/\//.test(next)) ?? "";
      return [{ place: `${file}:${i + 1}`, entries, subject }];
    });
  }));
  return found.flat();
}

test("Each entry of docs/reference.md is named by a comment above the test that proves it", async () => {
  const proofs = await readProofs();
  const proven = new Set(proofs.flatMap(({ entries }) => entries));
  assertEquals(rows.map(({ entry }) => entry).filter((entry) => !proven.has(entry)), []);
  const known = new Set(rows.map(({ entry }) => entry));
  for (const { place, entries, subject } of proofs) {
    assertEquals(entries.filter((entry) => !known.has(entry)), [], place);
    assert(/^ *(test\w*\(|declare\[|rule: |name: )/.test(subject), `${place}: not above a test`);
  }
});
