import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Actor, actor, type Broker, currentMessage } from "../../mod.ts";
import { type FileCount, TextCounter } from "./text_counter.ts";
import { readPieces, UnreadableFile } from "./text_file.ts";
import type { Totals } from "./totals.ts";

/** The queue of the files that are to be counted. */
export const FILES = "files";
/** The queue of the counts that are to be added up. */
export const TOTALS = "totals";

/** What the actors need. */
export interface ActorsOptions {
  /** Where all paths begin. */
  readonly folder: string;
  /** Where the counts end up. */
  readonly totals: Totals;
  /** One file in so many fails at first; 0 for none. */
  readonly failEvery: number;
}

/** The actors of this program. */
export interface Actors {
  /** Reads and counts one file. */
  readonly countFile: Actor<[path: string], FileCount>;
  /** Adds the count of one file to the totals. */
  readonly addToTotals: Actor<[count: FileCount], void>;
}

/**
 * Declares the two actors on a broker.
 *
 * A program whose workers are processes of their own would declare them at the top
 * level of a module, for all to import. Here the worker is in the same process, and
 * actors can share an object with the rest of the program.
 */
export function declareActors(
  broker: Broker,
  { folder, totals, failEvery }: ActorsOptions,
): Actors {
  const countFile = actor(async function countFile(path: string): Promise<FileCount> {
    if (isFirstAttempt() && isUnlucky(path, failEvery)) {
      throw new Error(`Cannot read ${path}: it is unlucky, as --fail-every asks`);
    }
    const counter = new TextCounter();
    for await (const piece of readPieces(join(folder, path))) counter.add(piece);
    return { path, ...counter.finish() };
  }, {
    broker,
    queueName: FILES,
    // The default begins at 15 seconds: right for a server that is down, too long here.
    minBackoff: 10,
    maxRetries: 3,
    // No second attempt would help: these go to the dead letters at once.
    throws: UnreadableFile,
  });

  const addToTotals = actor(function addToTotals(count: FileCount): void {
    totals.add(count);
  }, {
    broker,
    queueName: TOTALS,
    // Goes before the default of 0: counts are larger than paths and should not pile up.
    priority: -1,
  });

  return { countFile, addToTotals };
}

/** Retries carry their number; a message that never failed carries none. */
function isFirstAttempt(): boolean {
  return currentMessage()?.option("retries") === undefined;
}

/**
 * Chooses about one path in `failEvery`, always the same ones: what fails at random
 * cannot be tested.
 */
export function isUnlucky(path: string, failEvery: number): boolean {
  if (failEvery === 0) return false;
  return createHash("sha256").update(path).digest().readUInt32BE() % failEvery === 0;
}
