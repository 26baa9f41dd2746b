/**
 * Puts the modules of the package for npm together into few files: Node takes about a third of a
 * millisecond for each file, and each worker process and thread imports the package anew.
 *
 * Modules that the same entries and dynamic imports need make a chunk: none loads code that it did
 * not load before. Rollup leaves classes and functions as they are, with their names; esbuild renames
 * classes that refer to themselves.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { type OutputChunk, type Plugin, type PreRenderedChunk, rollup } from "rollup";

/** Folder of the chunks in the package. */
const CHUNKS = "chunks";

/** Modules that do something when they are imported; bundlers may leave out all others. */
const SIDE_EFFECTS: readonly string[] = [
  "mod.js",
  "brokers/mod.js",
  "brokers/default_broker.js",
  "worker.js",
  "worker/executors/process_entry.js",
  "worker/executors/thread_entry.js",
];

/** Modules that remain files of their own: two by two, they tell whether a user bundled them. */
const APART: readonly string[] = [
  "core/kept_name.js",
  "core/kept_name_too.js",
  "platform/bundle.js",
  "platform/here.js",
];

/** Module that starts others by URL, from beside its own file. */
const STARTER = "worker/executors/entry.js";
const STARTED: readonly string[] = ["process_entry", "thread_entry"];

/** JavaScript of the package. */
export interface Chunks {
  /** Its files, by their paths in the package. */
  readonly files: ReadonlyMap<string, string>;
  /** Value of the field `sideEffects` in package.json. */
  readonly sideEffects: readonly string[];
}

/**
 * Puts the modules of a package together.
 *
 * @param folder The package, with a file for each module.
 * @param entries The paths of its exports: `mod.js`.
 * @throws {Error} If they cannot be put together without a loss.
 */
export async function makeChunks(folder: string, entries: readonly string[]): Promise<Chunks> {
  const input = [
    ...entries.map((entry) => [entry.replace(/\.js$/, ""), join(folder, entry)]),
    ...STARTED.map((name) => [`${CHUNKS}/${name}`, join(folder, STARTER, "..", `${name}.js`)]),
  ];
  const pathOf = (id: string) => id.slice(folder.length + 1);
  const bundle = await rollup({
    input: Object.fromEntries(input),
    plugins: [modulesOf(folder)],
    external: (id) => !/^[./]/.test(id),
    treeshake: { moduleSideEffects: (id) => SIDE_EFFECTS.includes(pathOf(id)) },
    onwarn: ({ code, message }) => {
      if (code !== "CIRCULAR_DEPENDENCY") throw new Error(`Cannot bundle the package: ${message}`);
    },
  });
  const { output } = await bundle.generate({
    format: "es",
    generatedCode: "es2015",
    entryFileNames: "[name].js",
    chunkFileNames: ({ facadeModuleId, moduleIds }: PreRenderedChunk) =>
      `${CHUNKS}/${pathOf(facadeModuleId ?? moduleIds.at(-1)!).replaceAll("/", "_")}`,
    hoistTransitiveImports: false,
    minifyInternalExports: false,
  });
  await bundle.close();
  const chunks = output.filter((file) => file.type === "chunk");
  const withModule = (path: string) =>
    chunks.filter(({ moduleIds }) => moduleIds.includes(join(folder, path)));
  check(chunks, withModule(STARTER));
  const files = new Map(chunks.map(({ fileName, code }) => [fileName, code]));
  for (const path of APART) files.set(path, await readFile(join(folder, path), "utf8"));
  const doing = new Set(SIDE_EFFECTS.flatMap(withModule).map(({ fileName }) => `./${fileName}`));
  return { files, sideEffects: [...doing] };
}

/** Leaves out the modules that stay apart, and puts names of methods back where they were. */
function modulesOf(folder: string): Plugin {
  const apart = APART.map((path) => join(folder, path));
  return {
    name: "modules",
    resolveId(source, importer) {
      const id = importer === undefined ? source : join(importer, "..", source);
      return apart.includes(id) ? { id, external: "relative" } : null;
    },
    transform: inlineSymbols,
  };
}

/**
 * Names methods by symbols again, for which `deno pack` makes variables; Rollup drops these then.
 * Bundlers cannot drop a class with such a variable.
 */
function inlineSymbols(code: string): string {
  const assigned = code.matchAll(/\b(_computedKey\d*) = (Symbol\.\w+)/g);
  const symbols = new Map(Array.from(assigned, ([, name, symbol]) => [name!, symbol!]));
  return code.replace(/\[(_computedKey\d*)\]/g, (all, name) => {
    const symbol = symbols.get(name);
    return symbol === undefined ? all : `[${symbol}]`;
  });
}

/** @throws {Error} If classes have lost their names, or threads their module. */
function check(chunks: readonly OutputChunk[], starters: readonly OutputChunk[]): void {
  for (const { code, fileName } of chunks) {
    const [renamed] = /\bclass \w+\$\d+/.exec(code) ?? []; // users read names of classes
    if (renamed !== undefined) throw new Error(`Cannot bundle ${fileName}: it has a ${renamed}`);
  }
  for (const { fileName } of starters) {
    if (posix.dirname(fileName) === CHUNKS) continue;
    throw new Error(`Cannot bundle ${STARTER}: ${fileName} is not beside what it starts`);
  }
}
