import { availableParallelism } from "node:os";
import { Worker as Thread } from "node:worker_threads";
import { preloadedModules } from "../../platform/command.ts";
import {
  canEndBusyThreads,
  isSingleExecutable,
  randomUuid,
  thisProcess,
} from "../../platform/runtime.ts";
import type { Broker } from "../../core/broker.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { entryOfThread } from "./entry.ts";
import type { Executor, Run } from "./executor.ts";
import type { RealmOptions } from "./realm_options.ts";
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
  brokerExport: true,
  concurrency: true,
  errorClasses: true,
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
 * On Deno a thread that computes for ever cannot be ended, see {@linkcode retired}.
 *
 * @example Two threads
 * ```ts ignore
 * const executor = new ThreadExecutor({
 *   modules: [new URL("./actors.ts", import.meta.url).href],
 *   threads: 2,
 * });
 * await using worker = new Worker(broker, { executor });
 * await worker.start();
 * ```
 */
export class ThreadExecutor implements Executor {
  /**
   * Resolves, with the reason, when this process should be replaced, mostly never: on Deno
   * (2.9) a thread that computes for ever is not ended by `terminate()` and keeps a core
   * busy until the process ends; or no thread starts any more.
   */
  readonly retired: Promise<string>;
  readonly #pool: RealmPool;

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
    this.#pool = new RealmPool(
      { name: "thread", plural: "threads", canEndBusy: canEndBusyThreads, open: openThread },
      threads,
      options,
    );
    this.retired = this.#pool.retired;
  }

  /** Number of messages all threads run at once. */
  get concurrency(): number {
    return this.#pool.concurrency;
  }

  /** Changes how many messages they run at once: whole ones are opened, or retire once idle. */
  resize(concurrency: number): void {
    this.#pool.resize(concurrency);
  }

  /**
   * Starts the threads.
   *
   * @throws {DramatiqError} If one cannot begin, for example because a module does not import.
   * @throws {TypeError} If they do not declare an actor that is declared here.
   */
  start(broker: Broker): Promise<void> {
    return this.#pool.start(broker);
  }

  /** Runs the actor in the thread with the least to do. */
  run(run: Run): void {
    this.#pool.run(run);
  }

  /** Has its signal abort; when the grace is over the thread is killed, and replaced. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    this.#pool.interrupt(run, reason, grace);
  }

  /** Ends the threads. */
  stop(): Promise<void> {
    return this.#pool.stop();
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
  const options = {
    workerData: { settings, cells: slots.cells, key, isProgram },
    argv: thisProcess().argv.slice(2),
    preload: preloadedModules(),
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
