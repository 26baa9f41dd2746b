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
const REQUIRE = "import { createRequire as _require } from 'node:module';" +
  "const require = _require(import.meta.url);";
const ESM = { format: "esm", banner: { js: REQUIRE } };
/** Ways to bundle with esbuild. */
const BUNDLES: Readonly<Record<string, object>> = {
  single: ESM,
  splitting: { ...ESM, splitting: true },
  commonjs: {
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    logOverride: { "empty-import-meta": "silent" },
  },
  minified: { ...ESM, minify: true, keepNames: true },
};

/** Does builds with esbuild in one process: its own command line costs half a second each time. */
const ESBUILD = `import { build } from "esbuild";
const common = { bundle: true, platform: "node", logLevel: "error" };
await Promise.all(JSON.parse(process.argv[2]).map((own) => build({ ...common, ...own })));
`;

/**
 * The programs of a bundle: `Worker` and `runWorker()`, each with threads and with processes.
 *
 * @param cwd The project.
 * @param program What runs them.
 * @param files Their paths, with a star for the name.
 * @param which All four, or two of them in which each of the four words occurs.
 */
export function cellsOfBundle(
  cwd: string,
  program: readonly string[],
  files: string,
  which: "all" | "half" | "other half",
): Cell[] {
  const cell = (place: "thread" | "process", name: string, ...args: string[]): Cell => {
    const command = [...program, files.replace("*", name), ...args];
    return { name: command.join(" "), command, cwd, place };
  };
  const cells = [
    cell("thread", "app", "thread"),
    cell("process", "own", "--executor", "process"),
    cell("process", "app", "process"),
    cell("thread", "own"),
  ];
  return which === "all" ? cells : which === "half" ? cells.slice(0, 2) : cells.slice(2);
}

/**
 * Declares the tests of bundles by programs that are not written in JavaScript.
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
  const cells = (program: readonly string[], ...rest: [string, "all" | "half" | "other half"]) =>
    cellsOfBundle(project.folder, program, ...rest);
  const esbuild = async (builds: readonly object[]) => {
    await project.write({ "esbuild.mjs": ESBUILD });
    await project.run(node24.path, "esbuild.mjs", JSON.stringify(builds));
  };

  test("bundles of esbuild run threads, processes and worker programs on Node and Bun", async () => {
    const entryPoints = ["app.js", "own.js"];
    await esbuild(
      Object.entries(BUNDLES).map(([outdir, flags]) => ({ entryPoints, outdir, ...flags })),
    );
    await runCells([
      ...cells([node24.path], "single/*.js", "all"),
      ...cells([node24.path], "splitting/*.js", "half"),
      ...cells([node24.path], "commonjs/*.cjs", "other half"),
      ...cells([node24.path], "minified/*.js", "other half"),
      ...cells([node22.path], "single/*.js", "half"),
      ...cells([node22.path], "commonjs/*.cjs", "half"),
      ...cells([bun.path], "single/*.js", "other half"),
    ], redis);
  });

  test("bundles of bun build, bun build --compile and deno bundle run threads and processes", async () => {
    const bunBuild = [bun.path, "build"];
    await Promise.all([
      project.run(...bunBuild, "app.js", "own.js", "--target=bun", "--outdir=bun"),
      project.run(...bunBuild, "--compile", "app.js", "--outfile", "compiled/app"),
      project.run(...bunBuild, "--compile", "own.js", "--outfile", "compiled/own"),
      project.run(process.execPath, "bundle", "app.js", "own.js", "--outdir=deno", "-q"),
    ]);
    await runCells([
      ...cells([bun.path], "bun/*.js", "half"),
      ...cells([], "./compiled/*", "half"),
      ...cells([process.execPath, "run", "-A"], "deno/*.js", "other half"),
    ], redis);
  });

  test("actor refuses names of functions in bundles that rename them", async () => {
    await project.write({ "names.js": NAMES });
    const said = async (file: string) => (await project.run(node24.path, file)).trim();
    assertEquals(await said("names.js"), "add Resize");
    const renamed = /^TypeError: Cannot name the actor by its function: this bundle renames/;
    const builds = [
      { minify: false, keepNames: false, outfile: "names.mjs" },
      { minify: true, keepNames: false, outfile: "names-minified.mjs" },
      { minify: false, keepNames: true, outfile: "names-kept.mjs" },
      { minify: true, keepNames: true, outfile: "names-minified-kept.mjs" },
    ];
    await esbuild(builds.map((build) => ({ entryPoints: ["names.js"], ...ESM, ...build })));
    for (const { keepNames, outfile } of builds) {
      if (keepNames) assertEquals(await said(outfile), "add Resize");
      else assertMatch(await said(outfile), renamed);
    }
    await project.run(bun.path, "build", "names.js", "--target=node", "--outfile=names.bun.mjs");
    assertMatch(await said("names.bun.mjs"), renamed);
  });
}
