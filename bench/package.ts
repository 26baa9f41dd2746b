/**
 * The cost of the import, the start and an idle worker: the package beside the checkout. The start is
 * that of the worker command with one process, until the first message runs, which is on its queue
 * already. Last, the memory of a program of one process with a worker that is idle, beside one that
 * only connects with ioredis.
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
import { actor, RedisBroker } from "../mod.ts";
import { Project, ROOT } from "../tests/package/project.ts";
import { findRuntimes } from "../tests/package/runtimes.ts";
import { startRedis } from "../tests/support/servers/redis.ts";

const RUNS = 5;
/** Milliseconds for which a worker does nothing before its memory is read. */
const IDLE = 2_000;
/** Milliseconds in which a program starts. */
const START = 1_500;

const IMPORT = (library: string) =>
  `const begun = performance.now(); await import("${library}"); console.log(performance.now() - begun);`;
const WORKER = (library: string, worker: string) =>
  `import { actor } from "${library}";
import { runWorker } from "${worker}";
actor(() => console.error("the first runs"), { actorName: "nothing" });
void runWorker({ executor: process.env.EXECUTOR, processes: 1 });
`;
const PROGRAM = (library: string) =>
  `import { actor, RedisBroker, Worker } from "${library}";
const broker = new RedisBroker({ url: process.env.DRAMATIQ_BROKER_URL });
actor(() => {}, { broker, actorName: "nothing" });
await new Worker(broker).start();
`;
const BARE = (client: string) =>
  `import { Redis } from "${client}";
const redis = new Redis(process.env.DRAMATIQ_BROKER_URL);
await redis.ping();
setInterval(() => {}, 60_000);
`;

/** Medians of the import, of the starts by executor, and of the memory. */
interface Row {
  readonly importing: number;
  readonly inline: number;
  readonly thread: number;
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
    const start = (executor: string) =>
      startWorker([...command, `worker-${name}.mjs`], executor, project, redis);
    const { starting: thread } = await start("thread");
    const { starting: inline, memory } = await start("inline");
    const row = { importing, inline, thread, memory };
    if (i > 0) runs.push(row); // the first one fills caches
  }
  const median = (key: keyof Row) =>
    runs.map((row) => row[key]).toSorted((a, b) => a - b)[runs.length >> 1]!;
  return {
    importing: median("importing"),
    inline: median("inline"),
    thread: median("thread"),
    memory: median("memory"),
  };
}

async function startWorker(
  [program, ...args]: readonly string[],
  executor: string,
  project: Project,
  redis: string,
): Promise<{ starting: number; memory: number }> {
  await nothing.send();
  const begun = performance.now();
  const child = spawn(program!, args, {
    cwd: project.folder,
    env: { ...process.env, ...project.env, EXECUTOR: executor, DRAMATIQ_BROKER_URL: redis },
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

/** Memory of a program of one process that has been idle for a while, in megabytes. */
async function measureProgram(
  [program, ...args]: readonly string[],
  project: Project,
  redis: string,
): Promise<number> {
  const child = spawn(program!, args, {
    cwd: project.folder,
    env: { ...process.env, ...project.env, DRAMATIQ_BROKER_URL: redis },
    stdio: "ignore",
  });
  await new Promise((done) => setTimeout(done, START + IDLE));
  const memory = await residentMegabytes(child.pid!);
  child.kill("SIGKILL");
  await once(child, "exit");
  return memory;
}

/** The process id of the worker, once it has run a message. */
async function workerOf(child: ChildProcess): Promise<number> {
  let output = "";
  for await (const part of child.stderr!) {
    output += part;
    const line = output.split("\n").find((one) => one.includes("Working on"));
    if (line !== undefined && output.includes("the first runs")) return JSON.parse(line).pid;
  }
  throw new Error(`Cannot start the worker: ${output}`);
}

async function residentMegabytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(text)![1]) / 1_024;
}

const redis = await startRedis();
await using broker = new RedisBroker({ url: redis.url });
const nothing = actor(() => {}, { broker, actorName: "nothing" });
const projects = await Promise.all([Project.onDeno(), Project.onNode()]);
const [, node, bun] = await findRuntimes(join(projects[1].folder, ".."));
const config = join(ROOT, "deno.json");
console.log(
  "ms: import, start of an inline worker, of one with threads; MB: idle worker and its supervisor\n",
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
        "program.mjs": PROGRAM("@dq/dramatiq"),
        "bare.mjs": BARE(project === projects[0] ? "npm:ioredis@6" : "ioredis"),
      });
      const deno = [process.execPath, "run", "-A"];
      const runtimes: [string, string[]][] = project === projects[0]
        ? [["Deno", name === "package" ? deno : [...deno, `--config=${config}`]]]
        : [["Bun", [bun.path]], ["Node", [node.path]]];
      for (const [runtime, command] of runtimes) {
        const row = await measure(command, project, name, redis.url);
        const cells = [row.importing, row.inline, row.thread, row.memory].map((n) =>
          n.toFixed(0).padStart(6)
        );
        console.log(`${runtime.padEnd(5)} ${name.padEnd(9)} ${cells.join(" ")}`);
        if (name !== "package") continue;
        const ours = await measureProgram([...command, "program.mjs"], project, redis.url);
        const bare = await measureProgram([...command, "bare.mjs"], project, redis.url);
        console.log(
          `${runtime.padEnd(5)} one process: ${ours.toFixed(0)} MB, with ioredis alone ${
            bare.toFixed(0)
          } MB: ${(ours / bare).toFixed(2)} ×`,
        );
      }
    }
  }
} finally {
  for (const project of projects) await project[Symbol.asyncDispose]();
  await redis.stop();
}
