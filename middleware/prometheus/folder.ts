import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { getLogger } from "../../platform/logging.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { processId } from "../../platform/process.ts";
import { type Counts, countsOfDead } from "./counts.ts";
import {
  isAlive,
  membersOf,
  type Place,
  readJson,
  readMember,
  readRetired,
  replace,
  RETIRED,
  SERVING,
  takePlace,
} from "./place.ts";
import { isSameFolder } from "./private_files.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** The contents of `serving.json`. */
export interface Serving {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
}

/**
 * The folder in which the processes of a machine keep their metrics for each other:
 *
 * - `<member>.json`: the counts of a process, from time to time replaced as a whole
 * - `<member>.lock`: held while the process lives
 * - `retired.json`: the sums of dead processes, without gauges
 * - `serving.json`: the process that serves, and its address
 *
 * A run begins when a process joins and no other is alive; files of an earlier run are then
 * removed. Later members, usually replacements of dead ones, merge the files of the dead, so
 * that the folder does not grow with every crash.
 *
 * A process whose folder or lock file is deleted or replaced joins again with its next write.
 * Until then, or while the folder is refused, it reads nothing from there.
 */
export class MetricsFolder {
  readonly #path: string;
  #place: Place;
  #serving: Serving | undefined;
  /** Last counts written. */
  #stored: Counts | undefined;
  /** Writes come one after the other, the newest last. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, place: Place) {
    this.#path = path;
    this.#place = place;
  }

  /**
   * Joins the processes of the folder.
   *
   * @param path The folder, which is created if it does not exist.
   * @returns The folder, with a place in it for this process.
   * @throws If it cannot be written, or prom-client is not installed.
   */
  static async join(path: string): Promise<MetricsFolder> {
    return new MetricsFolder(path, await takePlace(path));
  }

  /**
   * Stores the counts of this process, unless they are stored already.
   *
   * @throws If the folder cannot be written, or is not a folder of this user any more.
   */
  write(counts: Counts): Promise<void> {
    const written = this.#writing.catch(() => {}).then(() => this.#write(counts));
    this.#writing = written;
    return written;
  }

  /** @returns The counts of all other processes of the run, without gauges of dead ones. */
  async readOthers(): Promise<Counts[]> {
    if (!await this.#isInPlace()) return [];
    const own = this.#place.member;
    const members = (await membersOf(this.#path)).filter((member) => member !== own);
    // In this order: a file that is merged meanwhile is then left out, not read twice.
    const found = new Map<string, Counts>();
    for (const member of members) {
      const counts = await readMember(this.#path, member);
      if (counts !== undefined) found.set(member, counts);
    }
    const retired = await readRetired(this.#path);
    for (const member of retired.members) found.delete(member);
    return [
      retired.counts,
      ...Array.from(
        found,
        ([member, counts]) => isAlive(this.#path, member) ? counts : countsOfDead(counts),
      ),
    ];
  }

  /** Publishes the address at which this process serves. */
  async serves(host: string, port: number): Promise<void> {
    this.#serving = { pid: processId(), host, port };
    if (await this.#isInPlace()) await this.#writeServing();
  }

  /** @returns The process that serves; `undefined` while it is unknown. */
  async whoServes(): Promise<Serving | undefined> {
    if (!await this.#isInPlace()) return undefined;
    return await readJson(join(this.#path, SERVING), isServing);
  }

  /** Updates the times of files, because systems delete old ones from temporary folders. */
  async touch(): Promise<void> {
    this.#place.lock.touch();
    const now = new Date();
    for (const name of [`${this.#place.member}.json`, RETIRED]) {
      await utimes(join(this.#path, name), now, now).catch(() => {}); // it may not exist
    }
  }

  /** Leaves; the counts of this process stay. */
  leave(): void {
    this.#place.lock.release();
  }

  async #write(counts: Counts): Promise<void> {
    if (!await this.#isInPlace()) await this.#joinAgain();
    if (counts === this.#stored) return;
    await replace(join(this.#path, `${this.#place.member}.json`), await toJson(counts));
    this.#stored = counts;
  }

  async #writeServing(): Promise<void> {
    await replace(join(this.#path, SERVING), JSON.stringify(this.#serving));
  }

  async #isInPlace(): Promise<boolean> {
    return this.#place.lock.isInPlace && await isSameFolder(this.#path, this.#place.folder);
  }

  async #joinAgain(): Promise<void> {
    const { member, lock } = this.#place;
    this.#place = await takePlace(this.#path, member);
    lock.release();
    this.#stored = undefined;
    log.warn("Rejoined metrics folder {folder}: it was deleted or replaced", {
      folder: this.#path,
    });
    if (this.#serving !== undefined) await this.#writeServing();
  }
}

function isServing(value: unknown): value is Serving {
  const { pid, host, port } = value as Partial<Serving>;
  return typeof pid === "number" && typeof host === "string" && typeof port === "number";
}

/** Number of rows that are written in one turn of the event loop. */
const SLICE = 2_000;

/** Writes a piece at a time, so that many series do not block the process. */
async function toJson({ series, delayed, more }: Counts): Promise<string> {
  const pieces: string[] = [];
  for (let i = 0; i < series.length; i += SLICE) {
    if (i > 0) await nextTurn();
    pieces.push(series.slice(i, i + SLICE).map((row) => JSON.stringify(row)).join(","));
  }
  const rest = JSON.stringify({ delayed, more }).slice(1);
  return `{"series":[${pieces.join(",")}],${rest}`;
}
