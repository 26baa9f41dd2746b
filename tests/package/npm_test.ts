/**
 * The package on Node and Bun, as the tarball for npm: what runs from the checkout runs from there.
 *
 * @module
 */
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, skip, test } from "../support/test.ts";
import { declareBundleTests } from "./bundles.ts";
import { type Cell, cellsOfReadme, runCells } from "./cell.ts";
import { declareContentsTests } from "./contents.ts";
import { watchReadme } from "./watch_readme.ts";
import { cellsOfImages } from "./images.ts";
import { declareOtherBundlerTests } from "./other_bundlers.ts";
import { Project, readmeProgram } from "./project.ts";
import { findRuntimes } from "./runtimes.ts";
import { declareTestingTests } from "./testing.ts";

if (runtime !== "deno") skip("The package on Node and Bun", "Deno drives it");
else await declareTests();

async function declareTests(): Promise<void> {
  const [redis, project] = await Promise.all([startRedis(), Project.onNode()]);
  after(async () => {
    await project[Symbol.asyncDispose]();
    await redis.stop();
  });
  const readme = await readmeProgram();
  const runtimes = await findRuntimes(join(project.folder, ".."));
  const WORKER = join("node_modules", "@dq", "dramatiq", "worker.js");

  for (const { name, path } of runtimes) {
    const cell = (command: string[], rest: Partial<Cell>): Cell => ({
      name: `${name} ${command.join(" ")}`,
      command: [path, ...command],
      cwd: project.folder,
      // Each thread and process would compile the library anew.
      env: { NODE_COMPILE_CACHE: join(project.folder, ".compiled") },
      ...rest,
    });
    // README's program runs actors itself, the images run worker programs with threads on Node 24 and
    // Bun, and bundles run programs with threads and processes on Node 22.
    const others = name.startsWith("node 22") ? [cell(["own.js"], { place: "thread" })] : [
      cell(["app.js", "thread"], { place: "thread" }),
      cell(["app.js", "process"], { place: "process" }),
    ];
    test(`${name} runs the package: threads, processes, programs, the command line`, async () => {
      await runCells([
        cell(["app.js", "thread", "modules"], { place: "thread" }),
        cell(["app.js", "process", "modules"], { place: "process" }),
        cell(["own.js", "--executor", "process"], { place: "process" }),
        cell([WORKER, "actors.js", "-t", "1", "--log-format", "text"], {
          place: "thread",
          first: ["fail"],
          prints: /Error: for good\n +at .*actors\.js:\d+:\d+\)?\n(?! +at )/, // no step of the library
        }),
        cell(["own.js", "dead-letters", "list"], { prints: /no such/ }),
        ...others,
      ], redis.url);
    });
  }
  test("Node and Bun run the program of README.md from the package", async () => {
    const cells = await Promise.all(runtimes.map(async ({ path }, i) => {
      await project.write({ [`readme${i}/tasks.ts`]: readme });
      const folder = join(project.folder, `readme${i}`);
      return cellsOfReadme([path, "tasks.ts"], { folder, env: {} });
    }));
    await runCells(cells.map(([sends]) => sends), redis.url);
    await runCells(cells.map(([, works]) => works), redis.url);
  });

  test("two commands of README.md lead to a dashboard with live numbers on Node", async () => {
    const [, { path: node }] = runtimes;
    await project.write({ "watched/tasks.ts": readme });
    await watchReadme({
      folder: join(project.folder, "watched"),
      env: {},
      tasks: [node, "tasks.ts"],
      dramatiq: [node, join(project.folder, "node_modules", ".bin", "dramatiq")],
    });
  });

  test("the Dockerfiles of docs/packages.md build and run a worker on Node and Bun", async () => {
    const [, node24, bun] = runtimes;
    const programs = { node: node24.path, bun: bun.path };
    const cells = await cellsOfImages(project, ["node", "oven/bun"], programs);
    assertEquals(cells.length, 3);
    await runCells(cells, redis.url);
  });
  declareContentsTests(project, runtimes);
  declareBundleTests(project, runtimes, redis.url);
  declareTestingTests(project, runtimes[1]!.path);
  declareOtherBundlerTests(project, runtimes[1], redis.url);
}
