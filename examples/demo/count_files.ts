import { group, type MessageProxy, pipeline, StubBroker, Worker } from "../../mod.ts";
import { declareActors, FILES, TOTALS } from "./actors.ts";
import { Counts } from "./counts.ts";
import { Totals } from "./totals.ts";

/** Number of files that are sent at once: enough to keep the worker busy, few enough to hold. */
const BATCH_SIZE = 500;

/** Options for {@linkcode countFiles}. */
export interface CountFilesOptions {
  /** Where the paths of the files begin. */
  readonly folder: string;
  /** Number of files that are worked on at once. */
  readonly concurrency: number;
  /** One file in so many fails at first; 0 for none. */
  readonly failEvery: number;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Is given a function that tells how many files are done. */
  readonly onStart?: (done: () => number) => void;
}

/** What came of it. */
export interface CountFilesResult {
  /** The counts of all text files. */
  readonly totals: Totals;
  /** What the worker did. */
  readonly counts: Counts;
  /** Why files could not be counted, one sentence each. */
  readonly failures: readonly string[];
  /** Number of files that are done: counted, found to be binary, or failed. */
  readonly done: number;
}

/** Counts files: sends a message for each, runs a worker, and waits for the end. */
export async function countFiles(
  files: readonly string[],
  { folder, concurrency, failEvery, signal, onStart }: CountFilesOptions,
): Promise<CountFilesResult> {
  // A file that cannot be read is no reason to stop: it is among the dead letters afterwards.
  const broker = new StubBroker({ failFast: false });
  const counts = new Counts();
  broker.addMiddleware(counts);
  const totals = new Totals();
  const { countFile, addToTotals } = declareActors(broker, { folder, totals, failEvery });
  const done = () => totals.files + counts.skipped + broker.allDeadLetters.length;

  const sendAndWait = async () => {
    for (const batch of inBatches(files)) {
      const pipelines = batch.map((path) =>
        // The result of the first becomes the last argument of the second.
        pipeline([countFile.message(path), addToTotals.message()], { broker })
      );
      await group(pipelines, { broker }).run();
      // Without a result backend a group cannot be waited for, but queues can: a pipeline sends
      // its next message before the one before it counts as done. In this order nothing slips by.
      await broker.join(FILES, { signal });
      await broker.join(TOTALS, { signal });
    }
  };

  onStart?.(done);
  const worker = new Worker(broker, { concurrency });
  await worker.start();
  await sendAndWait().catch((error) => {
    if (!signal.aborted) throw error;
  });
  // Finishes what is running. After an interruption the rest goes back to its queue, and is
  // gone with this process; another broker would keep it for the next worker.
  await worker.stop();

  return { totals, counts, failures: broker.allDeadLetters.map(describe), done: done() };
}

function* inBatches(files: readonly string[]): Generator<readonly string[]> {
  for (let i = 0; i < files.length; i += BATCH_SIZE) yield files.slice(i, i + BATCH_SIZE);
}

function describe({ exception }: MessageProxy): string {
  return exception instanceof Error ? exception.message : String(exception);
}
