import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { readEnvironmentNumber } from "../platform/runtime.ts";
import { showValue } from "../platform/show_value.ts";
import type { Executor } from "./executors/executor.ts";
import { InlineExecutor } from "./executors/inline.ts";
import { ProcessExecutor } from "./executors/process.ts";
import { ThreadExecutor } from "./executors/thread.ts";

/** Options for `Worker`. */
export interface WorkerOptions {
  /** Queues that the worker consumes. @default {undefined} All queues of the broker. */
  queues?: Iterable<string>;
  /** Number of messages that run at once; with `thread` and `process`, in each of them. @default {8} */
  concurrency?: number;
  /**
   * Number of threads or processes; by default one for each core. With `inline` there are none, and
   * it is dramatiq's name for `concurrency`.
   */
  threads?: number;
  /** Milliseconds that `stop` waits for what is running. @default {600_000} */
  timeout?: number;
  /** Executor of the actors. @default {"inline"} The event loop of this worker. */
  executor?: "inline" | "thread" | "process" | Executor;
  /** Modules that each thread or process imports, or `"main"`: see `RealmOptions`. */
  modules?: readonly string[] | "main";
  /** Export of their broker, see `RealmOptions`. */
  brokerExport?: string;
  /**
   * True to report running and finished messages to other processes: see `Broker.inspect`.
   *
   * @default {true}
   */
  report?: boolean;
}

/** Checked options. */
export interface WorkerSettings {
  readonly queues: ReadonlySet<string> | undefined;
  readonly timeout: number;
  readonly executor: Executor;
  readonly report: boolean;
}

const KNOWN_OPTIONS: KnownOptions<WorkerOptions> = {
  queues: true,
  concurrency: true,
  threads: true,
  timeout: true,
  executor: true,
  modules: true,
  brokerExport: "string",
  report: true,
};
/** Names of options in other libraries, and their counterparts here. */
const OTHER_SPELLINGS = {
  workerThreads: "concurrency, or threads",
  workerTimeout: "nothing: idle workers are woken",
};

/**
 * Checks the options.
 *
 * @throws {TypeError} If one is of the wrong type.
 * @throws {RangeError} If one is out of range.
 */
export function checkWorkerOptions(options: WorkerOptions): WorkerSettings {
  assertKnownOptions("Worker", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
  const { queues, timeout = 600_000, report = true } = options;
  checkStopTimeout(timeout);
  if (typeof report !== "boolean") {
    throw new TypeError(`Cannot use report ${String(report)}: it must be true or false`);
  }
  // A string is an iterable of its characters.
  const isList = typeof queues === "object" && queues !== null && Symbol.iterator in queues;
  if (queues !== undefined && !isList) {
    throw new TypeError(`Cannot work on ${showValue(queues)}: queues must be a list of names`);
  }
  return {
    queues: queues && new Set(queues),
    timeout,
    report,
    executor: makeExecutor(options),
  };
}

/**
 * Checks the timeout of a stop.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is below 0.
 */
export function checkStopTimeout(timeout: unknown): void {
  if (typeof timeout !== "number" || Number.isNaN(timeout)) {
    const given = typeof timeout === "object" ? showValue(timeout) : String(timeout);
    throw new TypeError(`Cannot wait ${given} for actors: it must be a number of milliseconds`);
  }
  if (timeout < 0) {
    throw new RangeError(`Cannot wait ${timeout} ms for actors: it must be 0 or more`);
  }
}

function makeExecutor(options: WorkerOptions): Executor {
  const { executor = "inline", threads, modules = [], brokerExport } = options;
  if (options.executor === undefined && options.modules !== undefined) {
    throw new TypeError(
      'Cannot create Worker: modules are for threads and processes; set executor to "thread", ' +
        '"process" or "inline"',
    );
  }
  if (executor === "inline") {
    const { concurrency = threads ?? 8 } = options;
    return new InlineExecutor({ concurrency });
  }
  const { concurrency = 8 } = options;
  const realm = { modules, concurrency, ...(brokerExport !== undefined && { brokerExport }) };
  if (executor === "thread") {
    return new ThreadExecutor({ ...realm, ...(threads !== undefined && { threads }) });
  }
  if (executor === "process") {
    return new ProcessExecutor({ ...realm, ...(threads !== undefined && { processes: threads }) });
  }
  if (typeof executor?.run === "function") return executor;
  throw new TypeError(`Cannot run actors on ${String(executor)}: it is not an executor`);
}

/** Settings that a worker reads from the environment when it starts. */
export interface WorkerEnvironment {
  /** Most messages of a queue that the worker has in flight. */
  readonly prefetch: number;
  /** Most messages of a delay queue that the worker has in flight. */
  readonly delayPrefetch: number;
  /** Milliseconds before a failed consumer starts again. */
  readonly restartDelay: number;
}

/**
 * Reads the environment.
 *
 * @param concurrency Number of messages that run at once, which decides how many are prefetched.
 * @throws {RangeError} If a variable is set to anything but a whole number.
 */
export function readWorkerEnvironment(concurrency: number): WorkerEnvironment {
  return {
    // 0 means the default, as in Python.
    prefetch: readEnvironmentNumber("dramatiq_queue_prefetch", 0) || 2 * concurrency,
    delayPrefetch: readEnvironmentNumber("dramatiq_delay_queue_prefetch", 0) || 1_000 * concurrency,
    restartDelay: readEnvironmentNumber("dramatiq_restart_delay", 3_000),
  };
}
