import process from "node:process";
import type { Broker } from "../core/broker.ts";
import type { Middleware } from "../core/middleware.ts";
import { Worker } from "../worker/worker.ts";
import type { Arguments } from "./arguments.ts";
import { BrokerConnectionError, DramatiqError, MiddlewareError } from "../core/errors.ts";
import { errorMessage } from "../platform/thrown.ts";
import { KILLED, OK, REPLACE_ME } from "./exit_codes.ts";
import { listenToSupervisor, sendWarning } from "./supervisor_listener.ts";
import { type Loaded, loadModules } from "./load_modules.ts";
import type { LogLevel } from "./log_line.ts";
import { configureLogging } from "./logging.ts";
import { UsageError } from "./usage_error.ts";
import { sendRecord } from "./ipc.ts";
import { WorkerStats } from "./worker_stats.ts";
import { counted } from "../platform/counted.ts";

/** Milliseconds that a broker has to close its connections. */
const CLOSE_TIMEOUT = 5_000;

/** End of a worker process, with its exit code. */
interface End {
  readonly code: number;
  /** Milliseconds that running actors have to finish. @default The worker's timeout. */
  readonly timeout?: number;
}

/**
 * Main function of a worker process: imports the modules, works until told to stop, and finishes
 * running messages.
 *
 * @param args The parsed command line.
 * @returns The exit code.
 * @throws {UsageError} If the modules cannot be used.
 * @throws {BrokerConnectionError} If the broker cannot be reached.
 */
export async function runWorkerProcess(args: Arguments): Promise<number> {
  const ended = Promise.withResolvers<End>();
  let stats: WorkerStats | undefined = undefined;
  listenToSupervisor({
    stop: () => {
      if (stats === undefined) process.exit(OK); // there is nothing to finish
      ended.resolve({ code: OK });
    },
    crash: () => {
      if (stats === undefined) process.exit(KILLED);
      ended.resolve({ code: KILLED, timeout: 0 });
    },
    status: () => stats?.send(),
  });
  const retire = (reason: string, level: LogLevel = "warning") => {
    sendRecord({ type: "retiring", reason, level });
    ended.resolve({ code: REPLACE_ME });
  };
  const loaded = await loadModules(args.modules, sendWarning);
  const { broker } = loaded;
  if (!args.skipLogging) await configureLogging(args.verbose);
  checkQueues(broker, args.queues);
  await broker.connect();
  await broker.emit("afterProcessBoot");
  if (args.maxTasksPerChild !== undefined) {
    broker.addMiddleware(limitTasks(args.maxTasksPerChild, retire));
  }
  const worker = makeWorker(loaded, args);
  stats = new WorkerStats(worker);
  // A module may never be imported in the threads: then `stop` ends the start.
  const mustStop = await Promise.race([
    start(worker).then(() => false),
    ended.promise.then(() => true),
  ]);
  if (!mustStop) {
    sendRecord({ type: "ready", text: describeWork(broker, args), forks: forksOf(broker).length });
  }
  worker.retired.then((reason) => retire(reason));

  const { code, timeout } = await ended.promise;
  stats.stop();
  await worker.stop(timeout);
  await Promise.race([broker.close(), new Promise((done) => setTimeout(done, CLOSE_TIMEOUT))]);
  return code;
}

/** Retires the process after a number of attempts. Skipped messages do not count. */
function limitTasks(
  limit: number,
  retire: (reason: string, level: LogLevel) => void,
): Middleware {
  let count = 0;
  return {
    afterProcessMessage(): void {
      count += 1;
      if (count === limit) retire(counted(limit, `it has processed ${limit} message(s)`), "info");
    },
  };
}

/** Functions of middleware that run in separate processes. */
export function forksOf(broker: Broker): NonNullable<Middleware["forks"]> {
  return broker.middleware.flatMap(({ forks = [] }) => forks);
}

function makeWorker({ broker, urls, brokerExport }: Loaded, args: Arguments): Worker {
  const { executor, threads, concurrency, workerShutdownTimeout, queues } = args;
  return new Worker(broker, {
    concurrency,
    timeout: workerShutdownTimeout,
    ...(queues.length > 0 && { queues }),
    ...(executor !== "inline" && { executor, threads, modules: urls.length > 0 ? urls : "main" }),
    ...(executor !== "inline" && brokerExport !== undefined && { brokerExport }),
  });
}

/** @throws {UsageError} If threads cannot import the modules of this process. */
async function start(worker: Worker): Promise<void> {
  try {
    await worker.start();
  } catch (error) {
    if (error instanceof BrokerConnectionError || error instanceof MiddlewareError) throw error;
    const isOfModules = error instanceof DramatiqError || error instanceof TypeError;
    throw isOfModules ? new UsageError(errorMessage(error), { cause: error }) : error;
  }
}

function checkQueues(broker: Broker, queues: readonly string[]): void {
  const unknown = queues.filter((name) => !broker.queues.has(name));
  if (unknown.length > 0) {
    throw new UsageError(
      `Cannot work on ${unknown.join(", ")}: the modules declare the queues ` +
        ([...broker.queues].join(", ") || "none"),
    );
  }
  if (broker.actors.size === 0) {
    throw new UsageError("Cannot start a worker: the modules declare no actor on this broker");
  }
}

function describeWork(broker: Broker, { queues, executor, threads, concurrency }: Arguments) {
  const names = queues.length > 0 ? queues : [...broker.queues];
  const actors = [...broker.actors.values()].filter(({ queueName }) => names.includes(queueName));
  const where = executor === "inline"
    ? "on the event loop"
    : `in ${threads} ${counted(threads, executor === "thread" ? "thread(s)" : "process(es)")}`;
  const count = `${actors.length} ${counted(actors.length, "actor(s)")}`;
  const total = concurrency * Math.max(1, threads);
  const atOnce = `${total} ${counted(total, "message(s)")} at once`;
  return `Working on ${names.join(", ")}: ${count}, ${atOnce} ${where}`;
}
