import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { test } from "../support/test.ts";
import { assertPublished, filesIn, type Project, ROOT, run } from "./project.ts";
import type { Runtime } from "./runtimes.ts";

/** Files with code that the package has, at most: Node takes about 0.3 ms for each. */
const MAX_FILES = 160;

/** Kilobytes of minified bundles that send, the clients of servers left out, at most: 1 % of room. */
const SIZES = {
  core: `import { actor, setBroker } from "@dq/dramatiq/core";`,
  limits: { stub: 130, redis: 219, rabbitmq: 185, sqlite: 183 },
};

/**
 * Modules of which a bundle keeps something though nothing of them is used, besides constants. All
 * others vanish.
 */
const KEPT = [
  "brokers/default_broker.ts", // registers the default broker
  "worker/executors/process_entry.ts",
  "worker/executors/thread_entry.ts",
  // Errors have their names on their prototypes: two kilobytes.
  "brokers/rabbitmq/errors.ts",
  "cli/pid_file.ts",
  "cli/usage_error.ts",
  "core/errors.ts",
  "core/inspection_error.ts",
  "core/interrupt.ts",
  "core/result_errors.ts",
  "core/snooze.ts",
  // Lists and numbers that are calculated from others.
  "brokers/rabbitmq/rungs.ts",
  "clients/redis/argument_limit.ts",
  "rate_limits/slot.ts", // two objects with a symbol
  "core/actor.ts", // `call`, `apply` and `bind` of actors
  // Texts that are put together of others, which bundlers take for calls.
  "brokers/redis/dead_letter_scripts.ts",
  "brokers/redis/delayed_scripts.ts",
  "brokers/redis/inspection_change_scripts.ts",
  "brokers/redis/inspection_scripts.ts",
  "brokers/redis/recovery_scripts.ts",
  "brokers/redis/scripts.ts",
  "brokers/redis/suspect_scripts.ts",
  "clients/redis/errors.ts",
  "control/backends/redis_scripts.ts",
];

/** Folders of the repository that are in no package. */
const UNPUBLISHED = /^(?:tests|bench|examples|release)\//;

/** Bundles each module alone and says what is left: `module`, `text`. */
const SIDE_EFFECTS = `import { join } from "node:path";
import { build } from "esbuild";
const [root, ...files] = process.argv.slice(2);
const alone = {
  name: "alone",
  setup(build) {
    build.onResolve({ filter: /.*/ }, ({ path, importer }) =>
      importer === "<stdin>"
        // Whatever package.json says of it: the package of JSR has no such field.
        ? { path: join(root, path), sideEffects: true }
        : { path, external: true, sideEffects: false });
  },
};
for (const file of files) {
  const { outputFiles: [{ text }] } = await build({
    stdin: { contents: \`import "./\${file}"\`, resolveDir: root },
    bundle: true, write: false, format: "esm", minifySyntax: true, minifyWhitespace: true,
    platform: "node", plugins: [alone], logLevel: "error",
  });
  console.log(JSON.stringify({ file, text: text.replace(/\\bimport\\b[^;]*;/g, "").trim() }));
}
`;

/** Says of each export which one of all values it is, and what that calls itself. */
const SHOW_EXPORTS = (entries: readonly string[]) =>
  `const values = [];
for (const entry of ${JSON.stringify(entries)}) {
  const exports = Object.entries(await import(entry)).map(([key, value]) => {
    if (!values.includes(value)) values.push(value);
    return [key, values.indexOf(value), typeof value === "function" ? value.name : typeof value];
  });
  console.log(JSON.stringify(exports));
}
`;

/** Bundles programs that send, and says how long they are. */
const MEASURE = `import { build } from "esbuild";
const clients = ["ioredis", "amqplib", "memjs", "prom-client", "better-sqlite3"];
for (const [name, contents] of Object.entries(JSON.parse(process.argv[2]))) {
  const { outputFiles: [{ contents: bytes }] } = await build({
    stdin: { contents, resolveDir: "." },
    bundle: true, write: false, format: "esm", minify: true, platform: "node", external: clients,
    logLevel: "error",
  });
  console.log(JSON.stringify({ name, length: bytes.length }));
}
`;

/** A class with a static block, a statement that calls, or a call that no annotation declares pure. */
const DOING = new RegExp(
  [
    /static\{/,
    /^[^=]*\(/,
    /(?:^|[,;\n])(?:(?:var|let|const) )?[\w$]+=(?:new (?!Map\(\[|Set\(\[)|[\w$.]+\()/,
  ].map(({ source }) => source).join("|"),
);

const STRICT = {
  strict: true,
  module: "nodenext",
  target: "es2023",
  lib: ["es2024", "esnext.disposable", "esnext.iterator"],
  types: ["node"],
  skipLibCheck: false,
  noEmit: true,
  exactOptionalPropertyTypes: true,
};
/** Finds types as bundlers do; that they hold does not depend on it. */
const BUNDLER = {
  ...STRICT,
  module: "esnext",
  moduleResolution: "bundler",
  skipLibCheck: true,
};

const lines = <T>(text: string): T[] =>
  text.trim().split("\n").map((line) => JSON.parse(line) as T);

/**
 * Declares the tests of what the package for npm holds.
 *
 * @param project A project with the package, esbuild and TypeScript.
 * @param runtimes Node 22, Node 24 and Bun.
 */
export function declareContentsTests(project: Project, runtimes: readonly Runtime[]): void {
  const folder = join(project.folder, "node_modules", "@dq", "dramatiq");
  const node = runtimes[1]!.path;
  const exports = async (): Promise<Record<string, string>> =>
    JSON.parse(await readFile(join(ROOT, "deno.json"), "utf8")).exports;
  const entries = async () =>
    Object.keys(await exports()).map((entry) => `@dq/dramatiq${entry.slice(1)}`);

  test("the package for npm is compiled, and holds what users need and nothing else", async () => {
    await assertPublished(await filesIn(folder), /\.js$|\.d\.ts$|^package\.json$/);
    const fields = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    assertEquals(fields.bin, { dramatiq: "./dramatiq.js" });
    assert(fields.engines.node === ">=22.18" && fields.description.length > 0);
    const binary = await readFile(join(folder, "dramatiq.js"), "utf8");
    assert(binary.startsWith("#!/usr/bin/env node\n"), binary.slice(0, 80));
  });

  test("the package for npm has few files with code, and names those with side effects", async () => {
    const files = (await filesIn(folder)).filter((file) => file.endsWith(".js"));
    assert(files.length <= MAX_FILES, `${files.length} files, more than ${MAX_FILES}`);
    const { sideEffects } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    assertEquals(sideEffects.filter((file: string) => !files.includes(file.slice(2))), []);
    for (const file of ["./mod.js", "./worker.js", "./chunks/thread_entry.js"]) {
      assert(sideEffects.includes(file), file);
    }
  });

  test("each entry of the package loads on Node and Bun, by import and by require", async () => {
    const names = await entries();
    await project.write({
      "loads.cjs": `const names = ${JSON.stringify(names)};
const required = names.map(require); // first: what was imported is there already
Promise.all(names.map((name) => import(name))).then((imported) => {
  const same = (i) => Object.keys(required[i]).every((key) => imported[i][key] === required[i][key]);
  console.log(names.filter((_, i) => same(i)).length);
});
`,
    });
    await Promise.all(runtimes.map(async ({ path }) => {
      assertEquals(Number(await project.run(path, "loads.cjs")), names.length);
    }));
  });

  test("entries of the package share their classes, which have the names of the sources", async () => {
    const sources = Object.values(await exports()).map((path) => join(ROOT, path));
    await project.write({
      "names.packed.mjs": SHOW_EXPORTS(await entries()),
      "names.source.mjs": SHOW_EXPORTS(sources),
    });
    // Node would need the packages of the checkout, which are not installed for Deno's tests.
    const [packed, source] = await Promise.all([
      project.run(node, "names.packed.mjs"),
      project.run(process.execPath, "run", "-A", `--config=${ROOT}/deno.json`, "names.source.mjs"),
    ]);
    assertEquals(lines(packed!), lines(source!));
  });

  test("the types of the package hold in a strict project without skipLibCheck", async () => {
    const names = await entries();
    const program = `import { actor, StubBroker } from "@dq/dramatiq";
${names.map((name, i) => `import * as entry${i} from "${name}";`).join("\n")}
export const all = [${names.map((_, i) => `entry${i}`).join(", ")}];
const add = actor(function add(a: number, b: number) { return a + b; }, { broker: new StubBroker() });
void add.send(1, 2);
// @ts-expect-error -- a text is no number
void add.send("1", 2);
`;
    const config = (compilerOptions: object, ...files: string[]) =>
      JSON.stringify({ compilerOptions, files });
    await project.write({
      "tsconfig.json": config(STRICT, "typed.mts", "typed.cts"),
      "tsconfig.bundler.json": config(BUNDLER, "typed.mts"),
      "typed.mts": program,
      "typed.cts": program,
    });
    const tsc = join("node_modules", "typescript", "bin", "tsc");
    await Promise.all(
      ["tsconfig.json", "tsconfig.bundler.json"].map((file) => project.run(node, tsc, "-p", file)),
    );
  });

  test("modules of the package do nothing when they are imported, but for those on a list", async () => {
    await project.write({ "side_effects.mjs": SIDE_EFFECTS });
    // Of the sources, from which the package for JSR is made, too: chunks do what their modules do.
    const sources = (await run(["git", "ls-files", "-co", "--exclude-standard", "*.ts"], ROOT))
      .trim();
    const files = sources.split("\n").filter((file) => !UNPUBLISHED.test(file));
    const output = await project.run(node, "side_effects.mjs", ROOT, ...files);
    const left = lines<{ file: string; text: string }>(output).filter(({ text }) => text !== "");
    // Constants cost nothing: arithmetic, texts and lists; no call, no class, no assignment.
    const doing = left.filter(({ text }) => DOING.test(text));
    assert(left.length > KEPT.length, "it must see constants, too");
    const seen = doing.map(({ file }) => file);
    assertEquals(KEPT.filter((file) => !seen.includes(file)), [], "take them off the list");
    const others = doing.filter(({ file }) => !KEPT.includes(file));
    const what = others.map(({ file, text }) => `${file}: ${text.slice(0, 120)}`).join("\n");
    assertEquals(
      what,
      "",
      "declare calls at the top of a module pure: /* @__PURE__ */ getLogger(…)",
    );
  });

  test("bundles that send with one broker are as small as they were", async () => {
    await project.write({ "measure.mjs": MEASURE });
    const CLASSES: Record<string, string> = {
      stub: "StubBroker",
      redis: "RedisBroker",
      rabbitmq: "RabbitmqBroker",
      sqlite: "SqliteBroker",
    };
    const programs = Object.fromEntries(
      Object.entries(CLASSES).map(([name, broker]) => [
        name,
        `${SIZES.core} import { ${broker} } from "@dq/dramatiq/brokers/${name}";
        console.log(actor, setBroker, ${broker});`,
      ]),
    );
    const output = await project.run(node, "measure.mjs", JSON.stringify(programs));
    for (const { name, length } of lines<{ name: string; length: number }>(output)) {
      const limit = SIZES.limits[name as keyof typeof SIZES.limits];
      assert(length <= limit * 1_000, `${name}: ${length} bytes, more than ${limit} KB`);
    }
  });
}
