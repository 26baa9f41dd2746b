/**
 * The command line of workers, `deno run -A jsr:@dq/dramatiq/worker actors.ts`, and `runWorker`, which
 * makes a worker program of one's own.
 *
 * @example A worker program of your own
 * ```ts ignore
 * import { runWorker } from "@dq/dramatiq/worker";
 *
 * await runWorker({ modules: ["./actors.ts"], processes: 2, threads: 0, concurrency: 16 });
 * ```
 *
 * @module
 */
import process from "node:process";
import type { RunWorkerOptions } from "./cli/program_options.ts";
import { isBundled } from "./platform/bundle.ts";
import { packageAdvice } from "./platform/missing_package.ts";
import { isMain } from "./platform/runtime.ts";
import { serveIfRealm } from "./worker/executors/role.ts";
import { errorMessage } from "./platform/thrown.ts";

export type { ExecutorName, RunWorkerOptions } from "./cli/program_options.ts";
export type { LogFormat } from "./cli/log_line.ts";

/** The exit code of a program that cannot be imported. */
const NOT_IMPORTED = 2;

/**
 * Runs workers as the command line says, until told to stop, and ends the process. The
 * arguments of the program come on top of the options.
 *
 * It starts processes of the same program, with the same flags and arguments, and supervises
 * them; in those, this call is what works. Without `modules` the program itself declares the
 * actors: its processes and threads run it anew, up to this call.
 *
 * @param options What counts where the command line says nothing.
 * @returns Never: the process ends, with one of the exit codes of `docs/command-line.md`.
 *
 * @example A worker program, as it is or bundled: `deno run -A main.ts`, `bun main.ts`, `node main.ts`
 * ```ts ignore
 * import { runWorker } from "@dq/dramatiq/worker";
 * import "./actors.ts";
 *
 * await runWorker();
 * ```
 *
 * @example Threads that import the actors and nothing else
 * ```ts ignore
 * import { runWorker } from "@dq/dramatiq/worker";
 *
 * await runWorker({ modules: [import.meta.resolve("./actors.ts")] });
 * ```
 */
export async function runWorker(options: RunWorkerOptions = {}): Promise<never> {
  const served = serveIfRealm();
  if (served !== undefined) return await served;
  return await (await importCommandLine()).runWorker(options);
}

async function importCommandLine(): Promise<typeof import("./cli/run_worker.ts")> {
  try {
    return await import("./cli/run_worker.ts");
  } catch (error) {
    const advice = packageAdvice(error);
    if (advice === "") throw error;
    console.error(`Cannot start a worker: ${errorMessage(error)}${advice}`);
    process.exit(NOT_IMPORTED);
  }
}

// No top-level await: CommonJS has none. In a bundle every module would count as the program.
if (!isBundled() && isMain(import.meta)) void runWorker();
