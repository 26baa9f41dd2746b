import { execFile } from "node:child_process";
import { access, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { assert, assertEquals } from "@std/assert";
import { type ApiDocs, faultsOf } from "./support/api_docs.ts";
import { withFolder } from "./support/folder.ts";
import { runsLongTests } from "./servers/own.ts";
import { skip, test } from "./support/test.ts";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Folders of the source that is published and has no entry. */
const WITHOUT_ENTRY = ["encoders", "worker"];
/** Functions that need no example: they read or write what another one shows. */
const WITHOUT_EXAMPLE = [
  ...["getBroker", "getEncoder", "setEncoder"],
  ...["assertQueueOrDelayQueueName", "decodeFromQueue"],
];
/** Classes that only the library makes instances of. */
const MADE_HERE = ["ActorRun", "UndecodableMessage"];

async function exportsOf(file: string): Promise<Record<string, string>> {
  return JSON.parse(await readFile(join(ROOT, file), "utf8")).exports;
}

test("deno.json and package.json have the same exports", async () => {
  assertEquals(await exportsOf("package.json"), await exportsOf("deno.json"));
});

test("each entry loads by its name, with the same classes as the others", async () => {
  const all = await import("@dq/dramatiq") as Record<string, unknown>;
  for (const entry of Object.keys(await exportsOf("deno.json"))) {
    const names = await import(`@dq/dramatiq${entry.slice(1)}`) as Record<string, unknown>;
    assert(Object.keys(names).length > 0, entry);
    if (!/^\.\/(?:core|brokers|middleware)/.test(entry)) continue; // others have shorter names
    for (const [name, value] of Object.entries(names)) assertEquals(all[name], value, name);
  }
});

test("each entry says in its module doc what it is for, with an example", async () => {
  for (const file of Object.values(await exportsOf("deno.json"))) {
    const source = await readFile(join(ROOT, file), "utf8");
    const [, doc = ""] = /^(?:#!.*\n)?\/\*\*([^]*?)\*\//.exec(source) ?? [];
    assert(/^ \* @module$/m.test(doc), `${file} has no module doc`);
    assert(/^ \* @example .+\n \* ```ts\b/m.test(doc), `the module doc of ${file} has no example`);
  }
});

/** Doc comments of what the source exports under a name, by kind and name. */
async function docsOf(): Promise<Map<string, string>> {
  const docs = new Map<string, string>();
  const declaration =
    /\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s+(?:\/\/ deno-lint-ignore.*\s+)?export (abstract class|class|(?:async )?function) (\w+)/g;
  const entries = Object.values(await exportsOf("deno.json"));
  const folders = entries.flatMap((file) => /^\.\/(\w+)\//.exec(file)?.[1] ?? []);
  const files = await Promise.all([...new Set(folders), ...WITHOUT_ENTRY].map(async (folder) => {
    const names = await readdir(join(ROOT, folder), { recursive: true });
    return names.filter((name) => name.endsWith(".ts")).map((name) => join(folder, name));
  }));
  for (const file of [...files.flat(), "worker.ts"]) {
    for (
      const [, doc, kind, name] of (await readFile(join(ROOT, file), "utf8")).matchAll(declaration)
    ) {
      const key = kind === "abstract class" ? `abstract ${name}` : name!;
      docs.set(key, `${docs.get(key) ?? ""}${doc}`);
    }
  }
  return docs;
}

test("each class that programs make, and each function that they call, has an example", async () => {
  const docs = await docsOf();
  const lacking: string[] = [];
  for (const entry of Object.keys(await exportsOf("deno.json"))) {
    const names = await import(`@dq/dramatiq${entry.slice(1)}`) as Record<string, unknown>;
    for (const value of Object.values(names)) {
      if (typeof value !== "function" || value.prototype instanceof Error) continue;
      const { name } = value;
      if (docs.has(`abstract ${name}`)) continue;
      if ([...WITHOUT_EXAMPLE, ...MADE_HERE].includes(name)) continue;
      if (!docs.get(name)?.includes("@example")) lacking.push(`${entry}: ${name}`);
    }
  }
  assertEquals(lacking, []);
});

test("faultsOf finds what has no doc comment, and parameters that it does not fit", () => {
  const params = [{ kind: "identifier", name: "a" }, { kind: "identifier", name: "options" }];
  const method = (name: string, ...documented: string[]) => ({
    name,
    jsDoc: { doc: "Does it.", tags: documented.map((name) => ({ kind: "param", name })) },
    functionDef: { params },
  });
  const methods = [method("good", "a"), method("none"), method("bad", "options", "b")];
  const def = { methods: [...methods, { name: "bare", functionDef: { params } }] };
  const declarations = [{ kind: "class", jsDoc: { doc: "A class." }, def }];
  const bare = { name: "Bare", declarations: [{ kind: "interface" }] };
  const symbols = [{ name: "One", declarations }, bare];
  assertEquals(faultsOf({ nodes: { "mod.ts": { symbols } } }), [
    "Bare has no doc comment",
    "One.bad documents b, which is none of its parameters",
    "One.bad does not document its parameter a",
    "One.bare has no doc comment",
  ]);
});

/** Runs `deno doc`. */
async function denoDoc(...args: string[]): Promise<string> {
  const options = { cwd: ROOT, maxBuffer: 2 ** 26 };
  return (await promisify(execFile)(process.execPath, ["doc", ...args], options)).stdout;
}

const EXPORTED = "each export, with its members and parameters, is documented, and pages are built";
if (!runsLongTests || !("Deno" in globalThis)) skip(EXPORTED, "once is enough, and it is Deno's");
else {
  test(EXPORTED, async () => {
    const entries = Object.values(await exportsOf("deno.json"));
    const docs: ApiDocs = JSON.parse(await denoDoc("--json", ...entries));
    assert(Object.values(docs.nodes).flatMap(({ symbols }) => symbols).length > 300);
    assertEquals(faultsOf(docs), []);
    await withFolder(async (folder) => {
      await denoDoc("--html", `--output=${join(folder, "docs")}`, "--name=dramatiq", "mod.ts");
      await access(join(folder, "docs", "index.html"));
    });
  });
}
