import process from "node:process";
import { assertEquals, assertMatch } from "@std/assert";
import { test } from "../support/test.ts";
import { type Cell, runCells } from "./cell.ts";
import type { Project } from "./project.ts";
import type { Runtime } from "./runtimes.ts";

/** Declares an actor by its function alone, and says what it is called. */
const NAMES = `import { actor, GenericActor, setBroker, StubBroker } from "@dq/dramatiq";

setBroker(new StubBroker());
class Resize extends GenericActor {
  static meta = {};
  perform() {}
}
try {
  console.log(actor(function add() {}).actorName, actor(Resize).actorName);
} catch (error) {
  console.log(String(error));
}
`;

/** A module of CommonJS, which bundles of ECMAScript modules call for. */
const REQUIRE = "--banner:js=import { createRequire as _require } from 'node:module';" +
  "const require = _require(import.meta.url);";
const ESBUILD = ["--bundle", "--platform=node", "--log-level=error"];
/** Ways to bundle with esbuild, and the extension of what comes of it. */
const BUNDLES: Readonly<Record<string, readonly [extension: string, ...string[]]>> = {
  single: ["js", "--format=esm", REQUIRE],
  splitting: ["js", "--format=esm", "--splitting", REQUIRE],
  commonjs: [
    "cjs",
    "--format=cjs",
    "--out-extension:.js=.cjs",
    "--log-override:empty-import-meta=silent",
  ],
  minified: ["js", "--format=esm", "--minify", "--keep-names", REQUIRE],
};

/**
 * Declares the tests of bundles.
 *
 * @param project A project with the package from npm, and esbuild.
 * @param runtimes Node 22, Node 24 and Bun.
 * @param redis The URL of a server.
 */
export function declareBundleTests(
  project: Project,
  [node22, node24, bun]: readonly [Runtime, Runtime, Runtime],
  redis: string,
): void {
  const cell = (command: string[], place: Cell["place"] & string): Cell => ({
    name: command.join(" "),
    command,
    cwd: project.folder,
    place,
  });
  const allOf = (program: string[], folder: string, extension: string): Cell[] => [
    cell([...program, `${folder}/app.${extension}`, "thread"], "thread"),
    cell([...program, `${folder}/app.${extension}`, "process"], "process"),
    cell([...program, `${folder}/own.${extension}`], "thread"),
    cell([...program, `${folder}/own.${extension}`, "--executor", "process"], "process"),
  ];
  const esbuild = (...args: string[]) =>
    project.run("node_modules/.bin/esbuild", ...args, ...ESBUILD);

  test("bundles of esbuild run threads, processes and worker programs on Node and Bun", async () => {
    await Promise.all(
      Object.entries(BUNDLES).map(([name, [, ...flags]]) =>
        esbuild("app.js", "own.js", ...flags, `--outdir=${name}`)
      ),
    );
    await runCells([
      ...Object.entries(BUNDLES).flatMap(([name, [extension]]) =>
        allOf([node24.path], name, extension)
      ),
      ...["single", "commonjs"].flatMap((name) =>
        allOf([node22.path], name, BUNDLES[name]![0]).slice(1, 3)
      ),
      ...allOf([bun.path], "single", "js").slice(0, 2),
    ], redis);
  });

  test("bundles of bun build, bun build --compile and deno bundle run threads and processes", async () => {
    const build = [bun.path, "build", "app.js", "own.js", "--target=bun"];
    await project.run(...build, "--outdir=bun");
    for (const name of ["app", "own"]) {
      await project.run(
        bun.path,
        "build",
        "--compile",
        `${name}.js`,
        "--outfile",
        `compiled-${name}`,
      );
    }
    await project.run(process.execPath, "bundle", "app.js", "own.js", "--outdir=deno", "-q");
    const deno = [process.execPath, "run", "-A"];
    await runCells([
      ...allOf([bun.path], "bun", "js"),
      cell(["./compiled-app", "thread"], "thread"),
      cell(["./compiled-app", "process"], "process"),
      cell(["./compiled-own"], "thread"),
      cell(["./compiled-own", "--executor", "process"], "process"),
      ...allOf(deno, "deno", "js"),
    ], redis);
  });

  test("actor refuses names of functions in bundles that rename them", async () => {
    await project.write({ "names.js": NAMES });
    const said = async (file: string) => (await project.run(node24.path, file)).trim();
    assertEquals(await said("names.js"), "add Resize");
    const renamed = /^TypeError: Cannot name the actor by its function: this bundle renames/;
    for (const flags of [[], ["--minify"], ["--keep-names"], ["--minify", "--keep-names"]]) {
      const file = `names${flags.join("")}.mjs`;
      await esbuild("names.js", "--format=esm", REQUIRE, ...flags, `--outfile=${file}`);
      if (flags.includes("--keep-names")) assertEquals(await said(file), "add Resize");
      else assertMatch(await said(file), renamed);
    }
    await project.run(bun.path, "build", "names.js", "--target=node", "--outfile=names.bun.mjs");
    assertMatch(await said("names.bun.mjs"), renamed);
  });
}
