/**
 * The command line of workers: `deno task worker actors.ts`, `bun run worker.ts actors.ts`, or,
 * with `runWorker`, a worker program of one's own.
 *
 * @module
 */
import { runWorker } from "./cli/run_worker.ts";
import { isMain } from "./core/runtime.ts";

export type { ExecutorName, RunWorkerOptions } from "./cli/arguments.ts";
export type { LogFormat } from "./cli/log_line.ts";
export { runWorker };

if (isMain(import.meta)) await runWorker();
