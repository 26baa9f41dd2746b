import type { Scheduler } from "../control/scheduler.ts";
import type { Broker } from "../core/broker.ts";
import type { WorkerReporter } from "./worker_report.ts";

/**
 * Fires the schedules of a broker while its worker is running. Without schedules it does not even load
 * their code.
 */
export class WorkerSchedules {
  readonly #broker: Broker;
  readonly #reporter: WorkerReporter;
  readonly #ready: Promise<void>;
  #declared: Disposable | undefined;
  #starting: Promise<void> | undefined;
  #scheduler: Scheduler | undefined;
  #isStopped = false;

  /**
   * Stores its parts.
   *
   * @param broker Its broker.
   * @param reporter Reports the schedules to other workers.
   * @param ready Resolves when the worker has read the control store.
   */
  constructor(broker: Broker, reporter: WorkerReporter, ready: Promise<void>) {
    this.#broker = broker;
    this.#reporter = reporter;
    this.#ready = ready;
  }

  /** Begins now, or when the first schedule is declared. */
  async start(): Promise<void> {
    const { schedules } = this.#broker;
    if (schedules.size === 0) {
      this.#declared = schedules.listen(() => void this.#start());
      return;
    }
    await this.#start();
  }

  /**
   * Stops firing.
   *
   * @param gaveUp Ends the wait for an unavailable server.
   */
  async stop(gaveUp: Promise<void>): Promise<void> {
    this.#isStopped = true;
    this.#declared?.[Symbol.dispose]();
    await this.#starting;
    await this.#scheduler?.stop(gaveUp);
  }

  /** Ends what is kept of messages that run. */
  close(): void {
    this.#scheduler?.close();
  }

  #start(): Promise<void> {
    this.#starting ??= this.#load();
    return this.#starting;
  }

  async #load(): Promise<void> {
    const { Scheduler } = await import("../control/scheduler.ts");
    if (this.#isStopped) return;
    const reporter = this.#reporter;
    this.#scheduler = new Scheduler({
      broker: this.#broker,
      workerId: reporter.id,
      ready: this.#ready,
      bootedAt: () => reporter.bootedAt,
      report: (digest) => reporter.declare(digest),
    });
    this.#scheduler.start();
  }
}
