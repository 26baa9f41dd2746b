import type { Broker } from "../../core/broker.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import type { Executor, Run } from "./executor.ts";

/** Base class of {@linkcode ThreadExecutor} and {@linkcode ProcessExecutor}. */
export abstract class RealmExecutor implements Executor {
  /**
   * Resolves, with the reason, when this process should be replaced: threads or processes do not start
   * any more, or, on Deno (2.9), a thread that computes for ever is not ended by `terminate()` and
   * keeps a core busy until the process ends. Usually pending for ever.
   */
  readonly retired: Promise<string>;
  readonly #pool: Required<Executor>;

  /**
   * Stores the pool.
   *
   * @param pool Assigns runs to threads or processes.
   */
  constructor(pool: Required<Executor>) {
    this.#pool = pool;
    this.retired = pool.retired;
  }

  /** Number of messages that all threads or processes together run at once. */
  get concurrency(): number {
    return this.#pool.concurrency;
  }

  /** Changes the concurrency: starts threads or processes, or stops some once they are idle. */
  resize(concurrency: number): void {
    this.#pool.resize(concurrency);
  }

  /**
   * Starts the threads or processes.
   *
   * @throws {DramatiqError} If one does not start, for example because a module cannot be imported.
   * @throws {TypeError} If they do not declare an actor that is declared here.
   */
  start(broker: Broker): void | Promise<void> {
    return this.#pool.start(broker);
  }

  /** Has a `start` that waits for threads or processes resolve; `stop` follows. */
  cancelStart(): void {
    this.#pool.cancelStart();
  }

  /** Runs the actor in the thread or process with the fewest runs. */
  run(run: Run): void {
    this.#pool.run(run);
  }

  /** Aborts its signal; after the grace period its thread or process is killed and replaced. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    this.#pool.interrupt(run, reason, grace);
  }

  /** Stops the threads or processes. */
  stop(): void | Promise<void> {
    return this.#pool.stop();
  }
}
