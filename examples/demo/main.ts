/**
 * Counts the words of all text files below a folder, with one message per file. The queue is an
 * SQLite file in a temporary folder, and two worker processes count: there is nothing to install or
 * start. One of them is killed in the middle, to show that nothing comes of it.
 *
 *     deno task demo [folder] [flags]
 *     bun run examples/demo/main.ts [folder] [flags]
 *     node examples/demo/main.ts [folder] [flags]
 *
 * Begin with `actors.ts` (what is done) and `count_files.ts` (how it is sent and run).
 *
 * @module
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { configure } from "@logtape/logtape";
import { type Broker, brokerFromUrl } from "../../mod.ts";
import { type Arguments, HELP, parseArguments, UsageError } from "./arguments.ts";
import { countFiles } from "./count_files.ts";
import { assertFolder, findFiles } from "./find_files.ts";
import { ProgressBar } from "./progress.ts";
import { formatReport } from "./report.ts";
import { WorkerProcesses } from "./worker_processes.ts";

const WRONG_USAGE = 2;
/** Exit code that a shell reports for a program that Ctrl-C ended: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

// The demo kills a worker itself: warnings about that are not printed.
await configure({ sinks: {}, loggers: [{ category: ["logtape", "meta"], sinks: [] }] });
process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const parsed = parseArguments(args);
    if (parsed === "help") {
      process.stdout.write(HELP);
      return 0;
    }
    await assertFolder(parsed.folder);
    return await run(parsed);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message} (--help tells more)\n`);
    return WRONG_USAGE;
  }
}

async function run(parsed: Arguments): Promise<number> {
  const { folder, progress } = parsed;
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  // Once: should stopping take too long, a second Ctrl-C ends the program the hard way.
  process.once("SIGINT", interrupt);
  const started = performance.now();

  const found = await findFiles(folder, interruption.signal);
  const bar = progress && process.stdout.isTTY ? new ProgressBar(process.stdout) : undefined;
  const result = await withBroker(parsed, (broker, workers) =>
    countFiles(found.files, {
      ...parsed,
      broker,
      workers,
      signal: interruption.signal,
      onStart: (done) => bar?.start(found.files.length, done),
    }));
  bar?.stop();

  const isInterrupted = interruption.signal.aborted;
  process.stdout.write(formatReport({
    ...result,
    found: found.files.length,
    failures: [...found.failures, ...result.failures],
    seconds: (performance.now() - started) / 1_000,
    isInterrupted,
  }));
  process.off("SIGINT", interrupt);
  return isInterrupted ? INTERRUPTED : 0;
}

/** Runs something with a broker and worker processes; without a URL with a file that goes afterwards. */
async function withBroker<T>(
  parsed: Arguments,
  use: (broker: Broker, workers: WorkerProcesses | undefined) => Promise<T>,
): Promise<T> {
  const folder = parsed.broker === undefined
    ? await mkdtemp(join(tmpdir(), "dramatiq-demo-"))
    : undefined;
  const url = parsed.broker ?? `sqlite:${encodeURI(join(folder!, "tasks.db"))}`;
  try {
    await using broker = openBroker(url);
    const workers = broker.isInMemory ? undefined : new WorkerProcesses({ ...parsed, broker: url });
    return await use(broker, workers);
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

function openBroker(url: string): Broker {
  try {
    return brokerFromUrl(url);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}
