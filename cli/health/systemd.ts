import { spawn } from "node:child_process";
import process from "node:process";
import type { LogLevel } from "../log_line.ts";

/** Command of systemd that sends notifications. */
const COMMAND = "systemd-notify";
/** Milliseconds that `systemd-notify` may take. */
const TIMEOUT = 5_000;

/** Settings that systemd passes to a service. */
export interface SystemdEnvironment {
  readonly socket: string;
  /** Interval of the watchdog in milliseconds; `undefined` without one. */
  readonly watchdog: number | undefined;
}

/**
 * Reads and removes the variables of systemd, so that worker processes do not inherit them: only
 * the supervisor sends notifications.
 *
 * @returns `undefined` if this process is not a service that may notify systemd.
 */
export function takeSystemdEnvironment(): SystemdEnvironment | undefined {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  if (!NOTIFY_SOCKET) return undefined;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete process.env[name];
  const isOurs = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
  const microseconds = Number(WATCHDOG_USEC);
  const watchdog = isOurs && microseconds > 0 ? microseconds / 1_000 : undefined;
  return { socket: NOTIFY_SOCKET, watchdog };
}

/**
 * Notifies systemd, in order. Uses the command of systemd, as no runtime can send datagrams on Unix
 * sockets.
 */
export class SystemdNotifier {
  readonly #socket: string;
  readonly #command: string;
  readonly #log: (level: LogLevel, template: string, properties: Record<string, unknown>) => void;
  #last: Promise<void> = Promise.resolve();
  #hasFailed = false;

  /**
   * @param socket The socket of systemd.
   * @param log Writes a log record.
   * @param command The command that sends notifications.
   */
  constructor(
    socket: string,
    log: (level: LogLevel, template: string, properties: Record<string, unknown>) => void,
    command: string = COMMAND,
  ) {
    this.#socket = socket;
    this.#command = command;
    this.#log = log;
  }

  /**
   * Sends a notification. A failure is logged once.
   *
   * @param variables For example `READY=1`.
   */
  notify(...variables: readonly string[]): void {
    this.#last = this.#last.then(() => this.#send(variables));
  }

  /** Resolves when all notifications are sent. */
  async flushed(): Promise<void> {
    await this.#last;
  }

  async #send(variables: readonly string[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const child = spawn(this.#command, [`--pid=${process.pid}`, ...variables], {
      env: { ...process.env, NOTIFY_SOCKET: this.#socket },
      stdio: "ignore",
    });
    const timer = setTimeout(() => {
      if (child.pid !== undefined) process.kill(child.pid, "SIGKILL");
      resolve(`it did not end within ${TIMEOUT} ms`);
    }, TIMEOUT);
    child.on("error", (error: Error & { code?: string }) => {
      const isMissing = error.code === "ENOENT";
      resolve(isMissing ? "there is no such command; install the package systemd" : error.message);
    });
    child.on("exit", (code) => resolve(code === 0 ? undefined : `it ended with code ${code}`));
    const reason = await promise;
    clearTimeout(timer);
    if (reason === undefined || this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log("warning", "Failed to notify systemd by {command}: {reason}", {
      command: this.#command,
      reason,
    });
  }
}
