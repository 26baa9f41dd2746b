import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually } from "../support/servers/until.ts";
import { type Cell, Program } from "./cell.ts";
import { ROOT, run } from "./project.ts";

/** A folder with the program of README.md, and programs that read it. */
export interface WatchedProgram {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs `tasks.ts`. */
  readonly tasks: readonly string[];
  /** Runs the command line of the package. */
  readonly dramatiq: readonly string[];
}

/** The commands of README.md that lead to a dashboard, as lists of words. */
async function commandsOfReadme(): Promise<string[][]> {
  const text = await readFile(join(ROOT, "README.md"), "utf8");
  const [, block = ""] =
    /^Run a worker and the \[dashboard\][^]*?^```sh\n([^]*?)^```/m.exec(text) ??
      [];
  return block.trim().split("\n").map((line) => line.replace(/#.*/, "").trim().split(/\s+/));
}

/**
 * Runs the two commands of README.md, and sends once more while the dashboard is looked at.
 *
 * @throws {AssertionError} If they are not two, or the numbers of the dashboard stand still.
 */
export async function watchReadme(watched: WatchedProgram): Promise<void> {
  const { folder: cwd, env, tasks, dramatiq } = watched;
  const [working, showing, ...others] = await commandsOfReadme();
  assertEquals(others, []);
  assertEquals(working, ["deno", "run", "-A", "tasks.ts", "work"]);
  assertEquals(showing!.slice(0, 4), ["deno", "run", "-A", "jsr:@dq/dramatiq/worker"]);
  const start = (...command: string[]) => {
    const cell: Cell = { name: command.join(" "), command, cwd, env };
    return new Program(cell);
  };
  const programs = [start(...tasks, "work")];
  try {
    await eventually("see the file of the worker", () => hasFile(join(cwd, "tasks.db")));
    // The port of the page may be that of another program here.
    const shown = start(...dramatiq, ...showing!.slice(4), "--port", "0");
    programs.push(shown);
    await shown.printed("Dashboard on http://127.0.0.1:");
    const [, url = ""] = /Dashboard on (http:\S+)/.exec(shown.output)!;
    await eventually("see the worker", async () => await doneBy(url) === 0);
    await run([...tasks], cwd, env);
    await eventually("see a number change", async () => (await doneBy(url) ?? 0) >= 2);
    const page = await (await fetch(url)).text();
    assertMatch(page, /<title>Queues/);
    assert(page.includes("default"), page);
  } finally {
    for (const program of programs) program.kill();
  }
}

/** Number of messages that the worker has done, by the dashboard; `undefined` without a worker. */
async function doneBy(url: string): Promise<number | undefined> {
  const response = await fetch(`${url}workers`, { headers: { accept: "application/json" } });
  const { items: [worker] } = await response.json();
  if (worker === undefined) return undefined;
  const counts: { done: number }[] = Object.values(worker.actors);
  return counts.reduce((sum, { done }) => sum + done, 0);
}

async function hasFile(path: string): Promise<boolean> {
  return await readFile(path).then(() => true, () => false);
}
