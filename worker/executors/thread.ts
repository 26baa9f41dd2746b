import { availableParallelism } from "node:os";
import { SHARE_ENV, Worker as Thread, type WorkerOptions } from "node:worker_threads";
import { preloadedModules } from "../../platform/command.ts";
import {
  canEndBusyThreads,
  isPermitted,
  isSingleExecutable,
  randomUuid,
  thisProcess,
} from "../../platform/runtime.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { entryOfThread } from "./entry.ts";
import type { RealmOptions } from "./realm_options.ts";
import { RealmExecutor } from "./realm_executor.ts";
import { RealmPool } from "./realm_pool.ts";
import {
  isSealed,
  type RealmSettings,
  SlotBoard,
  type Transport,
  type TransportListener,
} from "./realm_protocol.ts";

/** Options for {@linkcode ThreadExecutor}. */
export interface ThreadExecutorOptions extends RealmOptions {
  /** Number of threads. @default {availableParallelism()} */
  threads?: number;
}

const KNOWN_OPTIONS: KnownOptions<ThreadExecutorOptions> = {
  modules: true,
  brokerExport: "string",
  concurrency: true,
  errorClasses: "list",
  threads: true,
};

/**
 * Runs actors in threads (Web Workers), so that they use all cores, never hold up the
 * worker, and can be killed at their time limit.
 *
 * Each thread imports the modules that declare the actors. What an actor sends goes
 * through a connection and the enqueue hooks of its thread; hooks other than `wrapActor`,
 * `afterWorkerThreadBoot` and `beforeWorkerThreadShutdown` run in the worker's realm.
 *
 * On Deno a thread that computes for ever cannot be ended, see {@linkcode RealmExecutor.retired}.
 *
 * @example Two threads
 * ```ts
 * import { StubBroker, ThreadExecutor, Worker } from "@dq/dramatiq";
 *
 * const executor = new ThreadExecutor({
 *   modules: [new URL("./actors.ts", import.meta.url).href],
 *   threads: 2,
 * });
 * const worker = new Worker(new StubBroker(), { executor });
 * export const start = () => worker.start();
 * ```
 */
export class ThreadExecutor extends RealmExecutor {
  /**
   * Stores and checks the options.
   *
   * @param options What the threads run, and how many there are.
   * @throws {TypeError} If no module is named, or one by a relative path.
   * @throws {RangeError} If `threads` or `concurrency` is not a whole number above 0.
   */
  constructor(options: ThreadExecutorOptions) {
    assertKnownOptions("ThreadExecutor", options, KNOWN_OPTIONS);
    const { threads = availableParallelism() } = options;
    super(
      new RealmPool(
        { name: "thread", plural: "threads", canEndBusy: canEndBusyThreads, open: openThread },
        threads,
        options,
      ),
    );
  }
}

function openThread(settings: RealmSettings, listener: TransportListener): Transport {
  const isProgram = settings.modules.length === 0;
  if (isProgram && isSingleExecutable()) {
    throw new TypeError(
      "Cannot run actors in threads of a single executable application, which starts none: " +
        "run them in processes",
    );
  }
  const slots = SlotBoard.create(settings.concurrency);
  const key = randomUuid();
  const options: WorkerOptions & { preload: string[] } = {
    workerData: { settings, cells: slots.cells, key, isProgram },
    argv: thisProcess().argv.slice(2),
    preload: preloadedModules(),
    // To copy the variables, Deno would ask for the permission to read all of them.
    ...(isPermitted("env") ? {} : { env: SHARE_ENV }),
  };
  const thread = new Thread(entryOfThread(isProgram), options);
  let failure: unknown;
  thread.on("message", (message) => {
    if (isSealed(message, key)) listener.received(message);
  });
  thread.on("error", (error) => failure = error);
  thread.on("exit", (code) => listener.ended(`it ended with code ${code}`, failure));
  return {
    slots,
    post: (message) => thread.postMessage(message),
    kill: () => void thread.terminate(),
  };
}
