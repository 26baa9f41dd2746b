import process from "node:process";
import { errorMessage } from "../platform/thrown.ts";
import { toJson } from "./log_line.ts";
import { sendRecord } from "./ipc.ts";

/** Callbacks of {@linkcode listenToSupervisor}. */
export interface SupervisorListener {
  /** The supervisor stops this process, or has ended. */
  stop(reason: string): void;
  /** An error was not caught, or a rejection not handled. */
  crash(error: unknown): void;
  /** The supervisor requests the status. */
  status?(): void;
}

/**
 * Sends a warning to the log of the supervisor: LogTape is configured after the modules are imported.
 *
 * @param text The warning.
 */
export function sendWarning(text: string): void {
  sendRecord({
    type: "log",
    time: Date.now(),
    level: "warning",
    logger: "dramatiq.process",
    text,
    properties: {},
  });
}

/**
 * Connects a child process to its supervisor. The supervisor sends signals; when it ends, the
 * standard input of the child ends. SIGINT (Ctrl-C) and SIGHUP (a closed terminal) are ignored:
 * they reach the whole process group, and the supervisor handles them.
 *
 * @param listener The callbacks.
 */
export function listenToSupervisor(listener: SupervisorListener): void {
  const ignore = () => {};
  process.on("SIGINT", ignore);
  process.on("SIGHUP", ignore);
  process.on("SIGUSR2", () => listener.status?.());
  process.on("SIGTERM", () => listener.stop("SIGTERM"));
  process.stdin.on("end", () => listener.stop("the supervisor has ended"));
  process.stdin.on("error", ignore);
  process.stdin.resume();
  // Printing fails once the supervisor has ended; actors must finish all the same.
  process.stdout.on("error", ignore);
  process.stderr.on("error", ignore);
  const crash = (error: unknown) => {
    sendRecord({
      type: "log",
      time: Date.now(),
      level: "fatal",
      logger: "dramatiq.process",
      text: `Uncaught error: ${errorMessage(error)}`,
      properties: { error: toJson(error) },
    });
    listener.crash(error);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}
