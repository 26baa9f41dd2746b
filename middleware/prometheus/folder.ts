import { readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { processId } from "../../platform/process.ts";
import { areCounts, type Counts, countsOfDead, sumOf } from "./counts.ts";
import {
  openPrivateFile,
  openPrivateFolder,
  readPrivateFile,
  replacePrivateFile,
} from "./private_files.ts";
import { ProcessLock } from "./process_lock.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** File name of a process: its pid, and a part that differs between processes with one pid. */
const MEMBER_FILE = /^(\d+-[0-9a-f]{8})\.(?:json|lock|tmp)$/;
/** A name from disk could contain a path: only names of this form become part of one. */
const MEMBER = /^\d+-[0-9a-f]{8}$/;
/** File with the sums of dead processes. */
const RETIRED = "retired.json";
/** Lock of a process that joins or cleans up. */
const DOOR = "door.lock";
/** The option and variable that name the folder, for errors. */
const SETTING = "database, or dramatiq_prom_db";
/** Milliseconds to wait for others that join or clean up. */
const DOOR_TIMEOUT = 5_000;
const DOOR_INTERVAL = 10;

const NOTHING: Counts = { series: [], delayed: [], more: [] };

/** File that names the serving process. */
const SERVING = "serving.json";

/** The contents of {@linkcode SERVING}. */
export interface Serving {
  readonly pid: number;
  readonly host: string;
  readonly port: number;
}

/** The contents of {@linkcode RETIRED}. */
interface Retired {
  readonly counts: Counts;
  /** Members whose counts it includes, in case their files still exist. */
  readonly members: readonly string[];
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
 */
export class MetricsFolder {
  readonly #path: string;
  readonly #member: string;
  readonly #lock: ProcessLock;
  /** Last counts written. */
  #stored: Counts | undefined;
  /** Writes come one after the other, the newest last. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, member: string, lock: ProcessLock) {
    this.#path = path;
    this.#member = member;
    this.#lock = lock;
  }

  /**
   * Joins the processes of the folder.
   *
   * @param path The folder, which is created if it does not exist.
   * @returns The folder, with a place in it for this process.
   * @throws If it cannot be written, or prom-client is not installed.
   */
  static async join(path: string): Promise<MetricsFolder> {
    await openPrivateFolder(path, SETTING);
    await openPrivateFile(join(path, DOOR), SETTING);
    const door = await enter(join(path, DOOR));
    try {
      const members = await membersOf(path);
      if (members.some((member) => isAlive(path, member))) await retire(path, members);
      else await clear(path);
      const member = `${processId()}-${crypto.randomUUID().slice(0, 8)}`;
      const lock = ProcessLock.take(join(path, `${member}.lock`))!; // no other process knows its name
      return new MetricsFolder(path, member, lock);
    } finally {
      door.release();
    }
  }

  /** Stores the counts of this process, unless they are stored already. */
  write(counts: Counts): Promise<void> {
    const written = this.#writing.catch(() => {}).then(() => this.#write(counts));
    this.#writing = written;
    return written;
  }

  /** @returns The counts of all other processes of the run, without gauges of dead ones. */
  async readOthers(): Promise<Counts[]> {
    const members = (await membersOf(this.#path)).filter((member) => member !== this.#member);
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
    const serving: Serving = { pid: processId(), host, port };
    await replace(join(this.#path, SERVING), JSON.stringify(serving));
  }

  /** @returns The process that serves; `undefined` while it is unknown. */
  async whoServes(): Promise<Serving | undefined> {
    return await readJson(join(this.#path, SERVING), isServing);
  }

  /**
   * Updates the times of files, because systems delete old ones from temporary folders.
   *
   * @throws If the lock file of this process is gone, so that others think it is dead.
   */
  async touch(): Promise<void> {
    this.#lock.touch();
    const now = new Date();
    for (const name of [`${this.#member}.json`, RETIRED]) {
      await utimes(join(this.#path, name), now, now).catch(() => {}); // it may not exist
    }
  }

  /** Leaves; the counts of this process stay. */
  leave(): void {
    this.#lock.release();
  }

  async #write(counts: Counts): Promise<void> {
    if (counts === this.#stored) return;
    await replace(join(this.#path, `${this.#member}.json`), await toJson(counts));
    this.#stored = counts;
  }
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

async function enter(path: string): Promise<ProcessLock> {
  const end = performance.now() + DOOR_TIMEOUT;
  while (true) {
    const lock = takeLock(path);
    if (lock !== undefined) return lock;
    if (performance.now() >= end) {
      throw new Error(`Cannot share metrics: ${path} has been locked for too long`);
    }
    await delay(DOOR_INTERVAL);
  }
}

function takeLock(path: string): ProcessLock | undefined {
  try {
    return ProcessLock.take(path);
  } catch (error) {
    const reason = errorMessage(error);
    throw new Error(`Cannot lock ${path}: ${reason} (${SETTING})`, { cause: error });
  }
}

/** All members with any file: one that has just joined has only a lock. */
async function membersOf(path: string): Promise<string[]> {
  const names = await readdir(path);
  return [...new Set(names.flatMap((name) => MEMBER_FILE.exec(name)?.[1] ?? []))];
}

function isAlive(path: string, member: string): boolean {
  return ProcessLock.isTaken(join(path, `${member}.lock`));
}

/** Removes the files of an earlier run, and no files of other programs. */
async function clear(path: string): Promise<void> {
  const names = await readdir(path);
  const left = names.filter((name) => MEMBER_FILE.test(name));
  await removeFiles(path, [RETIRED, SERVING, ...left]);
}

/**
 * Merges the files of dead processes into one. It may be killed at any point: the merged file
 * names its members before their own files are removed.
 */
async function retire(path: string, members: readonly string[]): Promise<void> {
  const retired = await readRetired(path);
  await removeMembers(path, retired.members);
  const dead = members.filter((member) =>
    !retired.members.includes(member) && !isAlive(path, member)
  );
  if (dead.length === 0) return;
  const counts = await Promise.all(dead.map((member) => readMember(path, member)));
  const found = counts.filter((one) => one !== undefined);
  const next: Retired = {
    counts: await sumOf([retired.counts, ...found.map(countsOfDead)]),
    members: dead,
  };
  await replace(join(path, RETIRED), JSON.stringify(next));
  await removeMembers(path, dead);
}

async function removeMembers(path: string, members: readonly string[]): Promise<void> {
  const names = members.flatMap((member) =>
    ["json", "tmp", "lock"].map((end) => `${member}.${end}`)
  );
  await removeFiles(path, names);
}

async function removeFiles(path: string, names: readonly string[]): Promise<void> {
  try {
    await Promise.all(names.map((name) => rm(join(path, name), { force: true })));
  } catch (error) {
    const reason = errorMessage(error);
    throw new Error(`Cannot keep metrics in ${path}: ${reason} (${SETTING})`, { cause: error });
  }
}

async function readMember(path: string, member: string): Promise<Counts | undefined> {
  return await readJson(join(path, `${member}.json`), areCounts);
}

async function readRetired(path: string): Promise<Retired> {
  return await readJson(join(path, RETIRED), isRetired) ?? { counts: NOTHING, members: [] };
}

function isRetired(value: unknown): value is Retired {
  const { counts, members } = value as Partial<Retired>;
  return typeof counts === "object" && areCounts(counts) && Array.isArray(members) &&
    members.every((member) => typeof member === "string" && MEMBER.test(member));
}

function isServing(value: unknown): value is Serving {
  const { pid, host, port } = value as Partial<Serving>;
  return typeof pid === "number" && typeof host === "string" && typeof port === "number";
}

/** Reads a file; `undefined` if it does not exist or holds something else. */
async function readJson<T>(
  file: string,
  isRight: (value: unknown) => value is T,
): Promise<T | undefined> {
  try {
    const value: unknown = JSON.parse(await readPrivateFile(file));
    if (!isRight(value)) throw new TypeError("it does not hold metrics");
    return value;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    log.warn("Skipping the metrics in {file}: {reason}", {
      file,
      reason: errorMessage(error),
      error,
    });
    return undefined;
  }
}

async function replace(file: string, text: string): Promise<void> {
  await replacePrivateFile(file, file.replace(/\.json$/, ".tmp"), text);
}
