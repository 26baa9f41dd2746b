import { createHash } from "node:crypto";
import { join } from "node:path";
import process from "node:process";
import { type Actor, actor, type Broker, currentMessage } from "../../mod.ts";
import { type FileCount, TextCounter } from "./text_counter.ts";
import { BinaryFile, readPieces, UnreadableFile } from "./text_file.ts";
import type { Totals } from "./totals.ts";

/** The queue of the files to count. */
export const FILES = "files";
/** The queue of the counts to add up. */
export const TOTALS = "totals";

/** Outcome of one file. It travels in a message: numbers, strings and arrays only. */
export interface CountedFile {
  readonly path: string;
  /** `null` for a file that is no text. */
  readonly count: FileCount | null;
  /** Number of attempts that had failed before. */
  readonly retries: number;
  /** The process that counted it. */
  readonly pid: number;
}

/** Needs of the actors. */
export interface ActorsOptions {
  /** Folder in which all paths begin. */
  readonly folder: string;
  /** One file in so many fails at first; 0 for none. */
  readonly failEvery: number;
  /** Totals that receive the counts. Processes that only count files have none. */
  readonly totals?: Totals;
}

/** The actors of this program. */
export interface Actors {
  /** Reads and counts one file. */
  readonly countFile: Actor<[path: string], CountedFile>;
  /** Adds the count of one file to the totals. */
  readonly addToTotals: Actor<[counted: CountedFile], void>;
}

/**
 * Declares the two actors on a broker: in the program that sends, which adds up as well, and in each
 * worker process (`worker_actors.ts`), which counts.
 */
export function declareActors(
  broker: Broker,
  { folder, totals, failEvery }: ActorsOptions,
): Actors {
  const countFile = actor(async function countFile(path: string): Promise<CountedFile> {
    const retries = Number(currentMessage()?.option("retries") ?? 0);
    if (retries === 0 && isUnlucky(path, failEvery)) {
      throw new Error(`Cannot read ${path}: it is unlucky, as --fail-every asks`);
    }
    return { path, count: await countOf(path, folder), retries, pid: process.pid };
  }, {
    broker,
    queueName: FILES,
    // The default begins at 15 seconds: right for a server that is down, too long here.
    minBackoff: 10,
    maxRetries: 3,
    // No second attempt would help: these go to the dead letters at once.
    throws: UnreadableFile,
  });

  const addToTotals = actor(function addToTotals(counted: CountedFile): void {
    totals?.add(counted);
  }, {
    broker,
    queueName: TOTALS,
    // Goes before the default of 0: counts are larger than paths and should not pile up.
    priority: -1,
  });

  return { countFile, addToTotals };
}

async function countOf(path: string, folder: string): Promise<FileCount | null> {
  const counter = new TextCounter();
  try {
    for await (const piece of readPieces(join(folder, path))) counter.add(piece);
  } catch (error) {
    if (error instanceof BinaryFile) return null;
    throw error;
  }
  return counter.finish();
}

/**
 * Chooses about one path in `failEvery`, always the same ones: what fails at random
 * cannot be tested.
 */
export function isUnlucky(path: string, failEvery: number): boolean {
  if (failEvery === 0) return false;
  return createHash("sha256").update(path).digest().readUInt32BE() % failEvery === 0;
}
