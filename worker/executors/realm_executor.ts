import type { Broker } from "../../core/broker.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import type { Executor, Run } from "./executor.ts";

/** Common part of {@linkcode ThreadExecutor} and {@linkcode ProcessExecutor}: runs actors in other realms. */
export abstract class RealmExecutor implements Executor {
  /**
   * Resolves, with the reason, when this process should be replaced, mostly never: no realm starts
   * any more, or, on Deno (2.9), a thread that computes for ever is not ended by `terminate()` and
   * keeps a core busy until the process ends.
   */
  readonly retired: Promise<string>;
  readonly #pool: Required<Executor>;

  /**
   * Stores the pool.
   *
   * @param pool Assigns runs to realms.
   */
  constructor(pool: Required<Executor>) {
    this.#pool = pool;
    this.retired = pool.retired;
  }

  /** Number of messages all realms run at once. */
  get concurrency(): number {
    return this.#pool.concurrency;
  }

  /** Changes how many messages they run at once: whole ones are opened, or retire once idle. */
  resize(concurrency: number): void {
    this.#pool.resize(concurrency);
  }

  /**
   * Starts the realms.
   *
   * @throws {DramatiqError} If one cannot begin, for example because a module does not import.
   * @throws {TypeError} If they do not declare an actor that is declared here.
   */
  start(broker: Broker): void | Promise<void> {
    return this.#pool.start(broker);
  }

  /** Runs the actor in the realm with the least to do. */
  run(run: Run): void {
    this.#pool.run(run);
  }

  /** Aborts its signal; when the grace is over the realm is killed, and replaced. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    this.#pool.interrupt(run, reason, grace);
  }

  /** Ends the realms. */
  stop(): void | Promise<void> {
    return this.#pool.stop();
  }
}
