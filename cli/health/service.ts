import type { Arguments } from "../arguments.ts";
import type { LogLevel } from "../log_line.ts";
import type { SupervisorObserver } from "../supervisor.ts";
import { formatListenAddress } from "./address.ts";
import { HealthMonitor, type MonitoredChild } from "./monitor.ts";
import type { HealthServer } from "./server.ts";
import { type SystemdEnvironment, SystemdNotifier } from "./systemd.ts";

/** The members of a supervisor that health reports need. */
export interface HealthOwner {
  /** The current worker processes. */
  readonly children: readonly MonitoredChild[];
  /** True if it was told to stop. */
  readonly isStopping: boolean;
  log(level: LogLevel, template: string, properties?: Record<string, unknown>): void;
}

/** Reports the health of a supervisor and its workers: over HTTP, to systemd, or both. */
export class HealthService implements SupervisorObserver {
  readonly #owner: HealthOwner;
  readonly #monitor: HealthMonitor;
  readonly #systemd: SystemdNotifier | undefined;
  #server: HealthServer | undefined;
  #watchdog: ReturnType<typeof setInterval> | undefined;
  #status = "";

  private constructor(
    owner: HealthOwner,
    liveTimeout: number,
    systemd: SystemdEnvironment | undefined,
  ) {
    this.#owner = owner;
    this.#monitor = new HealthMonitor({
      children: () => owner.children,
      isStopping: () => owner.isStopping,
      liveTimeout,
      polled: () => this.#notifyStatus(),
    });
    if (systemd === undefined) return;
    this.#systemd = new SystemdNotifier(systemd.socket, owner.log.bind(owner));
    const { watchdog } = systemd;
    if (watchdog === undefined) return;
    this.#watchdog = setInterval(() => {
      if (this.#monitor.health.dead.length === 0) this.#systemd!.notify("WATCHDOG=1");
    }, watchdog / 2);
  }

  /**
   * Starts to report.
   *
   * @param args The address of the server, and the timeout of silent workers.
   * @param owner The supervisor.
   * @param systemd Settings of systemd; `undefined` to not notify it.
   * @throws {UsageError} If the address cannot be used.
   */
  static async open(
    { http, liveTimeout }: Pick<Arguments, "http" | "liveTimeout">,
    owner: HealthOwner,
    systemd: SystemdEnvironment | undefined,
  ): Promise<HealthService> {
    const service = new HealthService(owner, liveTimeout, systemd);
    try {
      if (http !== undefined) {
        const { HealthServer } = await import("./server.ts");
        service.#server = await HealthServer.open(http, () => service.#monitor.health);
        const address = `http://${formatListenAddress(service.#server.address)}`;
        owner.log("info", "Serving health checks on {address}", { address });
      }
    } catch (error) {
      clearInterval(service.#watchdog);
      throw error;
    }
    service.#monitor.start();
    return service;
  }

  /** Requests the status of all workers immediately. */
  workerReady(): void {
    this.#monitor.poll();
  }

  /** Notifies systemd that the service is ready. */
  working(): void {
    this.#systemd?.notify("READY=1");
  }

  /** Notifies systemd of a reload; `working` ends it. */
  reloading(): void {
    this.#systemd?.notify("RELOADING=1");
  }

  /** Notifies systemd of the stop. */
  stopping(): void {
    this.#systemd?.notify("STOPPING=1");
  }

  /** Stops reporting, after pending notifications are sent. */
  async close(): Promise<void> {
    this.#monitor.stop();
    clearInterval(this.#watchdog);
    this.#server?.close();
    await this.#systemd?.flushed();
  }

  #notifyStatus(): void {
    if (this.#systemd === undefined || this.#owner.isStopping) return;
    const { workers } = this.#monitor.health;
    const inFlight = workers.reduce((sum, worker) => sum + worker.inFlight, 0);
    const done = workers.reduce((sum, worker) => sum + worker.done, 0);
    const status = `STATUS=${inFlight} in flight, ${done.toLocaleString("en-US")} done`;
    if (status === this.#status) return;
    this.#status = status;
    this.#systemd.notify(status);
  }
}
