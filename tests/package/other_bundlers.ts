import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { test } from "../support/test.ts";
import { cellsOfBundle } from "./bundles.ts";
import { runCells } from "./cell.ts";
import { filesIn, type Project } from "./project.ts";
import type { Runtime } from "./runtimes.ts";

/** Vite leaves packages out of bundles for servers, unless they are named. */
const VITE = `import { build } from "vite";
await build({
  configFile: false,
  build: { ssr: true, outDir: "vite", rollupOptions: { input: ["app.js", "own.js"] } },
  ssr: { noExternal: [/^@dq\\//] },
  logLevel: "error",
});
`;

/** Clients are CommonJS and look for parts that are optional: they stay outside. */
const WEBPACK = `import { join } from "node:path";
import webpack from "webpack";
const { dirname } = import.meta;
const options = {
  mode: "production",
  target: "node22",
  entry: { app: "./app.js", own: "./own.js" },
  output: { path: join(dirname, "webpack"), filename: "[name].mjs", module: true, chunkFormat: "module" },
  experiments: { outputModule: true },
  externalsType: "module-import",
  externals: ["ioredis", "amqplib", "memjs", "prom-client", "better-sqlite3", "commander", "bun:sqlite"],
  optimization: { minimize: false },
};
webpack(options, (error, stats) => {
  if (error ?? stats.hasErrors()) throw error ?? new Error(stats.toString("errors-only"));
});
`;

/**
 * Declares the test of bundlers that are written in JavaScript.
 *
 * @param project A project with the package from npm, Vite and webpack.
 * @param node A Node to run the bundles.
 * @param redis The URL of a server.
 */
export function declareOtherBundlerTests(
  project: Project,
  node: Runtime,
  redis: string,
): void {
  test("bundles of Vite and webpack run threads, processes and worker programs on Node", async () => {
    await project.write({ "vite.mjs": VITE, "webpack.mjs": WEBPACK });
    await Promise.all(
      ["vite.mjs", "webpack.mjs"].map((script) => project.run(node.path, script)),
    );
    const files = await filesIn(join(project.folder, "webpack"));
    // It copies what has a URL: of the program, which asks for one, and of nothing in the package.
    assertEquals(files.filter((file) => !file.endsWith(".mjs")).length, 1);
    await runCells([
      ...cellsOfBundle(project.folder, [node.path], "vite/*.js", "half"),
      ...cellsOfBundle(project.folder, [node.path], "webpack/*.mjs", "other half"),
    ], redis);
  });
}
