import { type Broker, type DeadLetter, group, pipeline, Worker } from "../../mod.ts";
import { declareActors, FILES, TOTALS } from "./actors.ts";
import { Totals } from "./totals.ts";
import type { WorkerProcesses } from "./worker_processes.ts";

/** Number of files that are sent at once: enough to keep the workers busy, few enough to hold. */
const BATCH_SIZE = 500;
/** When a worker is killed: after one file in so many. */
const KILL_AFTER = 3;

/** Options for {@linkcode countFiles}. */
export interface CountFilesOptions {
  /** Path of the database. */
  readonly broker: Broker;
  /** Counting processes; without them this process does. */
  readonly workers?: WorkerProcesses | undefined;
  /** Folder in which the paths of the files begin. */
  readonly folder: string;
  /** Number of files that are worked on at once. */
  readonly concurrency: number;
  /** One file in so many fails at first; 0 for none. */
  readonly failEvery: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Receives a function that returns how many files are done. */
  readonly onStart?: (done: () => number) => void;
}

/** Result. */
export interface CountFilesResult {
  /** The counts of all files. */
  readonly totals: Totals;
  /** Why files could not be counted, one sentence each. */
  readonly failures: readonly string[];
  /** The worker process that was killed, if there are any. */
  readonly killed: number | undefined;
  /** Number of files that are done: counted, found to be binary, or failed. */
  readonly done: number;
}

/** Counts files: sends a message for each, adds up what comes back, and waits for the end. */
export async function countFiles(
  files: readonly string[],
  options: CountFilesOptions,
): Promise<CountFilesResult> {
  const { broker, workers, concurrency, signal, onStart } = options;
  const totals = new Totals();
  const { countFile, addToTotals } = declareActors(broker, { ...options, totals });
  const done = () => totals.files + totals.binaryFiles;
  let killed: number | undefined;
  broker.addMiddleware({
    afterProcessMessage() {
      const isTime = workers !== undefined && killed === undefined &&
        done() * KILL_AFTER >= files.length && totals.lastPid !== undefined;
      if (isTime) workers.kill(killed = totals.lastPid!);
    },
  });

  const sendAndWait = async () => {
    for (const batch of inBatches(files)) {
      const pipelines = batch.map((path) =>
        // The result of the first becomes the last argument of the second.
        pipeline([countFile.message(path), addToTotals.message()], { broker })
      );
      await group(pipelines, { broker }).run();
      // Without a result backend a group cannot be waited for, but queues can: a pipeline sends
      // its next message before the one before it counts as done. In this order nothing slips by.
      // A file that cannot be read is no reason to stop: it is among the dead letters afterwards.
      for (const queueName of [FILES, TOTALS]) {
        await broker.join(queueName, { signal, failFast: false } as object);
      }
    }
  };

  onStart?.(done);
  const queues = workers === undefined ? [FILES, TOTALS] : [TOTALS];
  const worker = new Worker(broker, { queues, concurrency });
  await worker.start();
  await Promise.race([sendAndWait(), ...(workers === undefined ? [] : [workers.failed()])])
    .catch((error) => {
      if (!signal.aborted) throw error;
    });
  // Finishes what is running. After an interruption the rest goes back to its queue.
  await workers?.stop(signal.aborted);
  await worker.stop();

  const failures: string[] = [];
  for await (const dead of broker.deadLetters(FILES)) failures.push(describe(dead));
  return { totals, failures, killed, done: done() + failures.length };
}

function* inBatches(files: readonly string[]): Generator<readonly string[]> {
  for (let i = 0; i < files.length; i += BATCH_SIZE) yield files.slice(i, i + BATCH_SIZE);
}

/** The message of its error: the first line of a traceback is the class and the message. */
function describe({ traceback = "", message }: DeadLetter): string {
  return /^\w+: (.*)/.exec(traceback)?.[1] ?? `Cannot count ${message.args[0]}`;
}
