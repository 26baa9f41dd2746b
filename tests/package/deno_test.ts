/**
 * The package on Deno, published to a registry on this machine: what runs from the checkout runs from
 * there, with the import map of a project in another folder.
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, skip, test } from "../support/test.ts";
import { type Cell, cellsOfReadme, runCells } from "./cell.ts";
import { cellsOfImages } from "./images.ts";
import { assertPublished, Project, readmeProgram } from "./project.ts";
import { watchReadme } from "./watch_readme.ts";

if (runtime !== "deno") skip("The package on Deno", "Deno drives it");
else await declareTests();

async function declareTests(): Promise<void> {
  const [redis, project] = await Promise.all([startRedis(), Project.onDeno()]);
  after(async () => {
    await project[Symbol.asyncDispose]();
    await redis.stop();
  });
  await project.write({ "tasks.ts": await readmeProgram() });
  const cell = (name: string, command: string[], rest: Partial<Cell>): Cell => ({
    name,
    command: [process.execPath, "run", ...command],
    cwd: project.folder,
    env: project.env,
    ...rest,
  });
  const LEAST = ["--allow-net", "--allow-env", "--allow-read=.", "--allow-run"];

  // README's program runs actors itself, and the image a worker program with threads.
  test("deno runs the package from a registry: threads, processes, programs, the command line", async () => {
    await runCells([
      cell("thread, modules", ["-A", "app.js", "thread", "modules"], { place: "thread" }),
      cell("process, modules", ["-A", "app.js", "process", "modules"], { place: "process" }),
      cell("thread, program", ["-A", "app.js", "thread"], { place: "thread" }),
      cell("process, program", ["-A", "app.js", "process"], { place: "process" }),
      cell("runWorker, processes", ["-A", "own.js", "--executor", "process"], { place: "process" }),
      cell("runWorker, modules", ["-A", "named.js"], { place: "thread" }),
      cell("command line", ["-A", "jsr:@dq/dramatiq/worker", "actors.js", "-t", "1"], {
        place: "thread",
      }),
      cell("least permissions", [...LEAST, "own.js", "--executor", "process"], {
        place: "process",
      }),
      cell("dead-letters", ["-A", "own.js", "dead-letters", "list"], { prints: /no such/ }),
      cell("--help", ["-A", "jsr:@dq/dramatiq/worker", "--help"], { prints: /Exit codes/ }),
    ], redis.url);
  });

  test("the package for JSR holds what users need and nothing else", async () => {
    await assertPublished(await project.registry!.files(), /\.ts$|^deno\.json$/);
  });

  test("deno runs the program of README.md from the package", async () => {
    const [sends, works] = cellsOfReadme([process.execPath, "run", "-A", "tasks.ts"], project);
    await runCells([sends], redis.url);
    await runCells([works], redis.url);
  });

  test("two commands of README.md lead to a dashboard with live numbers on Deno", async () => {
    await project.write({ "watched/tasks.ts": await readmeProgram() });
    await watchReadme({
      folder: join(project.folder, "watched"),
      env: project.env,
      tasks: [process.execPath, "run", "-A", "tasks.ts"],
      dramatiq: [process.execPath, "run", "-A", "jsr:@dq/dramatiq/worker"],
    });
  });

  test("deno runs the package, and the image of docs/packages.md, when the registry is away", async () => {
    await project.run(process.execPath, "install", "--entrypoint", "app.js", "own.js");
    const images = await cellsOfImages(project, ["denoland/deno"], { deno: process.execPath });
    assertEquals(images.length, 1);
    await project.registry?.[Symbol.asyncDispose]();
    const cached = ["-A", "--cached-only"];
    await runCells([
      ...images,
      cell("thread, modules", [...cached, "app.js", "thread", "modules"], { place: "thread" }),
      cell("thread, program", [...cached, "app.js", "thread"], { place: "thread" }),
      cell("process", [...cached, "own.js", "--executor", "process"], { place: "process" }),
    ], redis.url);
  });
}
