import process from "node:process";
import type { Arguments } from "./arguments.ts";
import type { Role } from "./child.ts";
import { KILLED, OK } from "./exit_codes.ts";
import { listenToSupervisor, sendWarning } from "./supervisor_listener.ts";
import { loadFunction, loadModules } from "./load_modules.ts";
import { configureLogging } from "./logging.ts";
import { UsageError } from "./usage_error.ts";
import { sendRecord } from "./ipc.ts";
import { forksOf } from "./worker_process.ts";

/** Milliseconds that a fork has to end after its signal has aborted. */
const GRACE = 5_000;

/**
 * Main function of a fork process. Imports the modules, which declare the broker, and calls the
 * function with a signal that aborts when it must end. If the function returns a promise, the
 * process ends when that settles; otherwise, as for a server, when it is told to stop.
 *
 * @param args The parsed command line.
 * @param role The function.
 * @returns The exit code.
 * @throws {UsageError} If the function does not exist.
 */
export async function runForkProcess(
  args: Arguments,
  role: Role & { kind: "fork" },
): Promise<number> {
  const controller = new AbortController();
  let isRunning = false;
  const stopped = Promise.withResolvers<void>();
  listenToSupervisor({
    stop: (reason) => {
      if (!isRunning) process.exit(OK);
      controller.abort(new DOMException(`The fork must end: ${reason}`, "AbortError"));
      stopped.resolve();
    },
    crash: () => process.exit(KILLED),
  });
  const { broker } = await loadModules(args.modules, sendWarning);
  if (!args.skipLogging) await configureLogging(args.verbose);
  const fork = typeof role.function === "string"
    ? await loadFunction(role.function, sendWarning)
    : forksOf(broker)[role.function];
  if (fork === undefined) {
    throw new UsageError(`Cannot run fork ${role.function}: no middleware declares it any more`);
  }
  const name = typeof role.function === "string" ? role.function : fork.name || "of a middleware";
  isRunning = true;
  sendRecord({ type: "ready", text: `Running ${name}`, forks: 0 });

  const result = fork(controller.signal);
  if (!isPromise(result)) {
    await stopped.promise;
    return OK;
  }
  const late = stopped.promise.then(() => new Promise((done) => setTimeout(done, GRACE)));
  await Promise.race([result, late]).catch((error) => {
    if (!controller.signal.aborted) throw error; // otherwise it ended as requested
  });
  return OK;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
