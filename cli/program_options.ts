import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { errorMessage } from "../platform/thrown.ts";
import { showValue } from "../platform/show_value.ts";
import type { LogFormat } from "./log_line.ts";
import { UsageError } from "./usage_error.ts";

/** Executor of the actors of a worker process: its event loop, its threads or its child processes. */
export type ExecutorName = "inline" | "thread" | "process";

/** Options of a worker in its program. The command line takes precedence. */
export interface RunWorkerOptions {
  /**
   * Modules that declare actors, loaded before those of the command line: paths relative to the
   * working directory, URLs, or package names. The first of all may name the export that is the
   * broker, or a function that sets one up, as in `actors.ts:broker`.
   *
   * @default {[]} The program itself declares the actors: it imports their modules before it calls
   * `runWorker`, and the program also runs in its threads and processes.
   */
  modules?: readonly string[];
  /** Number of worker processes. @default {1} */
  processes?: number;
  /**
   * Number of messages after which a worker process is replaced: a new one starts while the old one
   * finishes its running messages. For actors that leak memory. @default No limit.
   */
  maxTasksPerChild?: number;
  /** Threads of each process; 0 runs actors on its event loop. @default The number of CPUs. */
  threads?: number;
  /** Messages at once in each thread. @default {8} */
  concurrency?: number;
  /** Executor of the actors. @default {"thread"} `"inline"` with 0 threads. */
  executor?: ExecutorName;
  /** Consumes these queues only. @default All queues that the modules declare. */
  queues?: readonly string[];
  /** File for the process id of the supervisor. @default None. */
  pidFile?: string;
  /** File to append the log to. @default The standard error. */
  logFile?: string;
  /** Readable lines, or one JSON object a line. @default Lines on a terminal, otherwise JSON. */
  logFormat?: LogFormat;
  /** Logs fatal errors only. @default {false} */
  skipLogging?: boolean;
  /** Folder with the source code: changes reload the workers. @default None. */
  watch?: string;
  /** Patterns of files to watch in addition to JavaScript and TypeScript. @default {[]} */
  watchInclude?: readonly string[];
  /** Patterns of files not to watch. @default {[]} */
  watchExclude?: readonly string[];
  /** Milliseconds that running actors have to finish when the worker stops. @default {600_000} */
  workerShutdownTimeout?: number;
  /** Functions that run in processes of their own, as `module:function`. @default {[]} */
  forkFunctions?: readonly string[];
  /**
   * `HOST:PORT` on which the supervisor serves `/livez`, `/readyz` and `/metrics`. @default None.
   */
  http?: string;
  /** Milliseconds after which `/livez` fails if no process answers. @default {120_000} */
  liveTimeout?: number;
  /** Logs every step of each message. @default {false} */
  verbose?: boolean;
}

/** The options of `runWorker`; numbers are checked with their ranges. */
const KNOWN_OPTIONS: KnownOptions<RunWorkerOptions> = {
  modules: "list",
  processes: true,
  maxTasksPerChild: true,
  threads: true,
  concurrency: true,
  executor: true,
  queues: "list",
  pidFile: "string",
  logFile: "string",
  logFormat: true,
  skipLogging: "boolean",
  watch: "string",
  watchInclude: "list",
  watchExclude: "list",
  workerShutdownTimeout: true,
  forkFunctions: "list",
  http: "string",
  liveTimeout: true,
  verbose: "boolean",
};
const OTHER_SPELLINGS = { workerThreads: "concurrency, or threads", forkFunction: "forkFunctions" };

/** Values of options that have few. */
export const CHOICES = {
  executor: ["inline", "thread", "process"],
  logFormat: ["text", "json"],
} as const;

/**
 * Checks the options that a program passes to `runWorker`, except for numbers.
 *
 * @param options The options.
 * @throws {UsageError} If one is unknown, or of the wrong type.
 */
export function checkProgramOptions(options: RunWorkerOptions): void {
  try {
    checkKnownOptions("start a worker", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
  } catch (error) {
    throw new UsageError(errorMessage(error));
  }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = options[name as keyof typeof CHOICES];
    if (value === undefined || choices.some((one) => one === value)) continue;
    throw new UsageError(
      `Cannot start a worker: its ${name} must be one of ${choices.join(", ")}, ` +
        `not ${showValue(value)}`,
    );
  }
}
