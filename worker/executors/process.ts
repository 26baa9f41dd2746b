import { availableParallelism } from "node:os";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { commandOf, commandOfThisProgram } from "../../platform/command.ts";
import { builtinModule, thisProcess } from "../../platform/runtime.ts";
import { entryOfProcess } from "./entry.ts";
import type { RealmOptions } from "./realm_options.ts";
import { ProcessTransport } from "./process_transport.ts";
import { RealmExecutor } from "./realm_executor.ts";
import { RealmPool } from "./realm_pool.ts";
import { REALM_VARIABLE } from "./role.ts";
import type { RealmSettings, Transport, TransportListener } from "./realm_protocol.ts";

/** Options for {@linkcode ProcessExecutor}. */
export interface ProcessExecutorOptions extends RealmOptions {
  /** Number of processes. @default {availableParallelism()} */
  processes?: number;
  /**
   * Options of the runtime for each process besides those of this one, such as
   * `--max-old-space-size=512` on Node and Deno: megabytes of heap, past which V8 ends the process.
   *
   * @default {[]}
   */
  execArgv?: readonly string[];
}

const KNOWN_OPTIONS: KnownOptions<ProcessExecutorOptions> = {
  modules: true,
  brokerExport: "string",
  concurrency: true,
  errorClasses: "list",
  processes: true,
  execArgv: "list",
};

/**
 * Runs actors in child processes: as `ThreadExecutor`, but what an actor does to its
 * memory, or native code to its process, does not touch the worker. Messages take longer.
 *
 * The processes have the flags of this one, on Deno also its permissions and its configuration.
 * Deno needs `--allow-run` and `--allow-read` for them.
 *
 * @example Two processes with half a gigabyte each
 * ```ts
 * import { ProcessExecutor } from "@dq/dramatiq";
 *
 * const executor = new ProcessExecutor({
 *   modules: [new URL("./actors.ts", import.meta.url).href],
 *   processes: 2,
 *   execArgv: ["--max-old-space-size=512"],
 * });
 * ```
 */
export class ProcessExecutor extends RealmExecutor {
  /**
   * Stores and checks the options.
   *
   * @param options What the processes run, and how many there are.
   * @throws {TypeError} If no module is named, or one by a relative path.
   * @throws {RangeError} If `processes` or `concurrency` is not a whole number above 0.
   */
  constructor(options: ProcessExecutorOptions) {
    assertKnownOptions("ProcessExecutor", options, KNOWN_OPTIONS);
    const { processes = availableParallelism(), execArgv = [] } = options;
    super(
      new RealmPool(
        {
          name: "process",
          plural: "processes",
          canEndBusy: true,
          open: (settings, listener) => openProcess(execArgv, settings, listener),
        },
        processes,
        options,
      ),
    );
  }
}

function openProcess(
  execArgv: readonly string[],
  settings: RealmSettings,
  listener: TransportListener,
): Transport {
  const isProgram = settings.modules.length === 0;
  const { argv, env } = thisProcess();
  const [program, ...args] = isProgram
    ? [...commandOfThisProgram(execArgv), ...argv.slice(2)]
    : commandOf(entryOfProcess(), execArgv);
  const { spawn } = builtinModule("node:child_process");
  const child = spawn(program!, args, {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    ...(isProgram && { env: { ...env, [REALM_VARIABLE]: "process" } }),
  });
  return new ProcessTransport(child, settings, listener);
}
