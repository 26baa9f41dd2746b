import process from "node:process";
import { configure, getConfig, getConsoleSink } from "@logtape/logtape";
import type { Broker } from "../core/broker.ts";
import { BrokerConnectionError, MiddlewareError } from "../core/errors.ts";
import { Worker } from "../worker/worker.ts";
import { type Arguments, HELP, parseArguments, UsageError } from "./arguments.ts";
import { loadModules } from "./load_modules.ts";
import { VERSION } from "./version.ts";

const OK = 0;
const KILLED = 1;
const WRONG_USAGE = 2;
const NO_CONNECTION = 3;

/**
 * The command line of a worker.
 *
 * Source of the exit codes: `tests/vectors/cli.json`.
 *
 * @param args The arguments after the program.
 * @returns The exit code, once the worker has stopped.
 */
export async function runWorker(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseArguments(args);
    if (typeof parsed === "string") {
      process.stdout.write(parsed === "help" ? HELP : `${VERSION}\n`);
      return OK;
    }
    const broker = await loadModules(parsed.modules);
    await configureLogging();
    return await work(broker, parsed);
  } catch (error) {
    if (error instanceof UsageError) return report(error, WRONG_USAGE);
    if (error instanceof BrokerConnectionError) return report(error, NO_CONNECTION);
    // A variable of the environment, or a middleware that objects.
    if (error instanceof RangeError || error instanceof MiddlewareError) {
      return report(error, WRONG_USAGE);
    }
    throw error;
  }
}

/** Shows the log, unless the modules have seen to that. */
async function configureLogging(): Promise<void> {
  if (getConfig() !== null) return;
  await configure({
    sinks: { console: getConsoleSink() },
    loggers: [
      { category: "dramatiq", lowestLevel: "info", sinks: ["console"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["console"] },
    ],
  });
}

async function work(broker: Broker, { queues, concurrency, shutdownTimeout }: Arguments) {
  const strange = queues.filter((name) => !broker.queues.has(name));
  if (strange.length > 0) {
    throw new UsageError(
      `Cannot work on ${strange.join(", ")}: the modules declare the queues ` +
        ([...broker.queues].join(", ") || "none"),
    );
  }
  if (broker.actors.size === 0) {
    throw new UsageError("Cannot start a worker: the modules declare no actor on this broker");
  }
  const signalled = firstSignal();
  await broker.emit("afterProcessBoot");
  const worker = new Worker(broker, {
    concurrency,
    timeout: shutdownTimeout,
    ...(queues.length > 0 && { queues }),
  });
  await worker.start();
  process.stderr.write(
    `Working on ${[...(queues.length > 0 ? queues : broker.queues)].join(", ")}\n`,
  );
  process.stderr.write(`Stopping after ${await signalled}\n`);
  await worker.stop();
  await broker.close();
  return OK;
}

/** Resolves at the first signal to stop. The second one ends the process. */
function firstSignal(): Promise<string> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, () => {
        if (isStopping) process.exit(KILLED);
        isStopping = true;
        resolve(signal);
      });
    }
  });
}

function report(error: Error, exitCode: number): number {
  process.stderr.write(`${error.message}\n`);
  return exitCode;
}
