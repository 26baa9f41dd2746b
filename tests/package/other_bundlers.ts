import { test } from "../support/test.ts";
import { type Cell, runCells } from "./cell.ts";
import type { Project } from "./project.ts";
import type { Runtime } from "./runtimes.ts";

const BUNDLERS = ["vite@7", "webpack@5.113", "webpack-cli@6"];

const VITE = `import { defineConfig } from "vite";
export default defineConfig({
  build: { ssr: true, outDir: "vite", rollupOptions: { input: ["app.js", "own.js"] } },
  ssr: { noExternal: true },
  logLevel: "error",
});
`;

/** Clients are CommonJS and look for parts that are optional: they stay outside. */
const WEBPACK = `import { join } from "node:path";
const { dirname } = import.meta;
export default {
  mode: "production",
  target: "node22",
  entry: { app: "./app.js", own: "./own.js" },
  output: { path: join(dirname, "webpack"), filename: "[name].mjs", module: true, chunkFormat: "module" },
  experiments: { outputModule: true },
  externalsType: "module-import",
  externals: ["ioredis", "amqplib", "memjs", "prom-client", "better-sqlite3", "commander", "bun:sqlite"],
  optimization: { minimize: false },
  stats: "errors-only",
};
`;

/**
 * Declares the tests of bundlers that are large to install: `deno task test:package` runs them.
 *
 * @param project A project with the package from npm.
 * @param node A Node to run the bundles.
 * @param redis The URL of a server.
 */
export function declareOtherBundlerTests(project: Project, node: Runtime, redis: string): void {
  test("bundles of Vite and webpack run threads, processes and worker programs on Node", async () => {
    await project.write({ "vite.config.mjs": VITE, "webpack.config.mjs": WEBPACK });
    const options = ["--prefer-offline", "--no-audit", "--no-fund", "--no-save"];
    await project.run("npm", "install", ...options, ...BUNDLERS, "../dramatiq.tgz");
    await project.run(node.path, "node_modules/vite/bin/vite.js", "build");
    await project.run(node.path, "node_modules/webpack/bin/webpack.js");
    const cell = (place: Cell["place"], ...command: string[]): Cell => ({
      name: command.join(" "),
      command: [node.path, ...command],
      cwd: project.folder,
      ...(place !== undefined && { place }),
    });
    const allOf = (app: string, own: string) => [
      cell("thread", app, "thread"),
      cell("process", app, "process"),
      cell("thread", own),
      cell("process", own, "--executor", "process"),
    ];
    await runCells([
      ...allOf("vite/app.js", "vite/own.js"),
      ...allOf("webpack/app.mjs", "webpack/own.mjs"),
    ], redis);
  });
}
