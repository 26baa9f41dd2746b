/**
 * The cost of the import, the start and an idle worker: the package beside the checkout.
 *
 * Packs and publishes the package as `tests/package/` does, and starts the same programs from there
 * and from here, in turns. Deno drives it:
 *
 *     deno run -A bench/package.ts
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { Project, ROOT } from "../tests/package/project.ts";
import { findRuntimes } from "../tests/package/runtimes.ts";
import { startRedis } from "../tests/support/servers/redis.ts";

const RUNS = 9;
/** Milliseconds for which a worker does nothing before its memory is read. */
const IDLE = 2_000;

const IMPORT = (library: string) =>
  `const begun = performance.now(); await import("${library}"); console.log(performance.now() - begun);`;
const WORKER = (library: string, worker: string) =>
  `import { actor } from "${library}";
import { runWorker } from "${worker}";
actor(() => {}, { actorName: "nothing" });
void runWorker({ executor: "inline" });
`;

/** Medians of the import, of the start, and of the memory. */
interface Row {
  readonly importing: number;
  readonly starting: number;
  readonly memory: number;
}

async function measure(
  command: readonly string[],
  project: Project,
  name: string,
  redis: string,
): Promise<Row> {
  const runs: Row[] = [];
  for (let i = 0; i <= RUNS; i++) {
    const importing = Number(await project.run(...command, `import-${name}.mjs`));
    const row = { importing, ...await startWorker(command, project, `worker-${name}.mjs`, redis) };
    if (i > 0) runs.push(row); // the first one fills caches
  }
  const median = (key: keyof Row) =>
    runs.map((row) => row[key]).toSorted((a, b) => a - b)[runs.length >> 1]!;
  return {
    importing: median("importing"),
    starting: median("starting"),
    memory: median("memory"),
  };
}

async function startWorker(
  [program, ...args]: readonly string[],
  project: Project,
  file: string,
  redis: string,
): Promise<Omit<Row, "importing">> {
  const begun = performance.now();
  const child = spawn(program!, [...args, file], {
    cwd: project.folder,
    env: { ...process.env, ...project.env, DRAMATIQ_BROKER_URL: redis },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const pid = await workerOf(child);
  const starting = performance.now() - begun;
  await new Promise((done) => setTimeout(done, IDLE));
  const memory = await residentMegabytes(child.pid!) + await residentMegabytes(pid);
  process.kill(child.pid!, "SIGTERM");
  await once(child, "exit");
  return { starting, memory };
}

/** The process id of the worker, once it has begun to work. */
async function workerOf(child: ChildProcess): Promise<number> {
  let output = "";
  for await (const part of child.stderr!) {
    output += part;
    const line = output.split("\n").find((one) => one.includes("Working on"));
    if (line !== undefined) return JSON.parse(line).pid;
  }
  throw new Error(`Cannot start the worker: ${output}`);
}

async function residentMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)![1]) / 1_024;
}

const redis = await startRedis();
const projects = await Promise.all([Project.onDeno(), Project.onNode()]);
const [, node, bun] = await findRuntimes(join(projects[1].folder, ".."));
const config = join(ROOT, "deno.json");
console.log(
  "import, start until it works (ms); memory of an idle worker and its supervisor (MB)\n",
);
try {
  for (const project of projects) {
    for (
      const [name, library, worker] of [
        ["package", "@dq/dramatiq", "@dq/dramatiq/worker"],
        ["checkout", join(ROOT, "mod.ts"), join(ROOT, "worker.ts")],
      ] as const
    ) {
      await project.write({
        [`import-${name}.mjs`]: IMPORT(library),
        [`worker-${name}.mjs`]: WORKER(library, worker),
      });
      const deno = [process.execPath, "run", "-A"];
      const runtimes: [string, string[]][] = project === projects[0]
        ? [["Deno", name === "package" ? deno : [...deno, `--config=${config}`]]]
        : [["Bun", [bun.path]], ["Node", [node.path]]];
      for (const [runtime, command] of runtimes) {
        const row = await measure(command, project, name, redis.url);
        const cells = [row.importing, row.starting, row.memory].map((n) =>
          n.toFixed(0).padStart(6)
        );
        console.log(`${runtime.padEnd(5)} ${name.padEnd(9)} ${cells.join(" ")}`);
      }
    }
  }
} finally {
  for (const project of projects) await project[Symbol.asyncDispose]();
  await redis.stop();
}
