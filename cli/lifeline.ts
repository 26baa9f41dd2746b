import process from "node:process";
import { errorMessage } from "../platform/thrown.ts";
import { toJson } from "./log_line.ts";
import { tell } from "./ipc.ts";

/** Listener to a lifeline. */
export interface LifelineListener {
  /** The supervisor wants this process to end, or is gone. */
  stop(reason: string): void;
  /** An error was not caught. */
  crash(error: unknown): void;
  /** The supervisor asks what is going on. */
  status?(): void;
}

/**
 * Ties a child process to its supervisor: what that wants comes by signal, and that it is gone
 * shows as the end of the standard input. Ctrl-C and the end of a terminal reach children, too;
 * what is to be done then the supervisor says.
 *
 * @param listener Hears of all that.
 */
export function holdLifeline(listener: LifelineListener): void {
  const ignore = () => {};
  process.on("SIGINT", ignore);
  process.on("SIGHUP", ignore);
  process.on("SIGUSR2", () => listener.status?.());
  process.on("SIGTERM", () => listener.stop("SIGTERM"));
  process.stdin.on("end", () => listener.stop("the supervisor is gone"));
  process.stdin.on("error", ignore);
  process.stdin.resume();
  // When the supervisor is gone, nobody reads what actors print; they go on all the same.
  process.stdout.on("error", ignore);
  process.stderr.on("error", ignore);
  const crash = (error: unknown) => {
    tell({
      type: "log",
      time: Date.now(),
      level: "fatal",
      logger: "dramatiq.process",
      text: `Nobody caught: ${errorMessage(error)}`,
      properties: { error: toJson(error) },
    });
    listener.crash(error);
  };
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
}
