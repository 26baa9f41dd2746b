import { readEnvironmentNumber } from "../core/runtime.ts";
import type { Executor } from "./executors/executor.ts";
import { InlineExecutor } from "./executors/inline.ts";

/** Options for `Worker`. */
export interface WorkerOptions {
  /** Works on these queues only. @default {undefined} All queues of the broker. */
  queues?: Iterable<string>;
  /** How many messages run at once. @default {8} */
  concurrency?: number;
  /** dramatiq's name for `concurrency`. */
  threads?: number;
  /** Milliseconds that `stop` waits for what is running. @default {600_000} */
  timeout?: number;
  /** What runs the actors. @default {"inline"} The event loop of this worker. */
  executor?: "inline" | Executor;
}

/** What the options amount to. */
export interface WorkerSettings {
  readonly queues: ReadonlySet<string> | undefined;
  readonly timeout: number;
  readonly executor: Executor;
}

/**
 * Checks the options.
 *
 * @throws {TypeError} If one is of the wrong type.
 * @throws {RangeError} If one is out of range.
 */
export function checkWorkerOptions(options: WorkerOptions): WorkerSettings {
  const { queues, concurrency = options.threads ?? 8, timeout = 600_000 } = options;
  const { executor = "inline" } = options;
  if (!(timeout >= 0)) {
    throw new RangeError(`Cannot wait ${timeout} ms for actors: it must be 0 or more`);
  }
  // A string is an iterable of its letters.
  const isList = typeof queues === "object" && queues !== null && Symbol.iterator in queues;
  if (queues !== undefined && !isList) {
    throw new TypeError(`Cannot work on ${JSON.stringify(queues)}: queues must be a list of names`);
  }
  if (executor !== "inline" && typeof executor.run !== "function") {
    throw new TypeError(`Cannot run actors on ${String(executor)}: it is no executor`);
  }
  return {
    queues: queues && new Set(queues),
    timeout,
    executor: executor === "inline" ? new InlineExecutor({ concurrency }) : executor,
  };
}

/** What a worker reads from the environment when it starts. */
export interface WorkerEnvironment {
  /** Messages of a queue that it has at hand. */
  readonly prefetch: number;
  /** Messages of a delay queue that it has at hand. */
  readonly delayPrefetch: number;
  /** Milliseconds before a failed consumer starts again. */
  readonly restartDelay: number;
}

/**
 * Reads the environment.
 *
 * @param concurrency How many messages run at once: prefetching goes by it.
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
