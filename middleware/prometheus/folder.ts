import { readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { processId } from "../../platform/process.ts";
import { areCounts, type Counts, countsOfDead, sumOf } from "./counts.ts";
import { openPrivateFolder, readPrivateFile, replacePrivateFile } from "./private_files.ts";
import { ProcessLock } from "./process_lock.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** A file of a process: its pid, and what tells it from earlier ones with that pid. */
const MEMBER_FILE = /^(\d+-[0-9a-f]{8})\.(?:json|lock|tmp)$/;
/** A name on disk could be a path: only what has this form is ever part of one. */
const MEMBER = /^\d+-[0-9a-f]{8}$/;
/** File with the sums of dead processes. */
const RETIRED = "retired.json";
/** Held by who joins or cleans up. */
const DOOR = "door.lock";
/** Milliseconds that others may take at the door. */
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
  /** Members that are in it already, should their files still be there. */
  readonly members: readonly string[];
}

/**
 * The folder in which the processes of a machine keep their metrics for each other:
 *
 * - `<member>.json`: what a process counted, replaced as a whole now and then
 * - `<member>.lock`: held as long as it lives
 * - `retired.json`: what those did that are dead, without gauges
 * - `serving.json`: who serves, and where
 *
 * A run begins when a process joins and no other lives; what lies there then is from an
 * earlier one and goes. Later members, mostly the replacements of dead ones, put the
 * files of the dead together: the folder does not grow with every crash.
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
   * Joins those who are there.
   *
   * @param path The folder, which is made if it is not there.
   * @returns The folder, with a place in it for this process.
   * @throws If it cannot be written, or prom-client is not there.
   */
  static async join(path: string): Promise<MetricsFolder> {
    await openPrivateFolder(path, "database, or dramatiq_prom_db");
    const door = await enter(join(path, DOOR));
    try {
      const members = await membersOf(path);
      if (members.some((member) => isAlive(path, member))) await retire(path, members);
      else await clear(path);
      const member = `${processId()}-${crypto.randomUUID().slice(0, 8)}`;
      const lock = ProcessLock.take(join(path, `${member}.lock`))!; // nobody else knows its name
      return new MetricsFolder(path, member, lock);
    } finally {
      door.release();
    }
  }

  /** Stores what this process counted, unless that is there already. */
  write(counts: Counts): Promise<void> {
    const written = this.#writing.catch(() => {}).then(() => this.#write(counts));
    this.#writing = written;
    return written;
  }

  /** @returns What all other processes of the run counted; of dead ones, no gauges. */
  async readOthers(): Promise<Counts[]> {
    const members = (await membersOf(this.#path)).filter((member) => member !== this.#member);
    // In this order: what is put together meanwhile is then left out here, not read twice.
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

  /** Tells the others where this process serves. */
  async serves(host: string, port: number): Promise<void> {
    const serving: Serving = { pid: processId(), host, port };
    await replace(join(this.#path, SERVING), JSON.stringify(serving));
  }

  /** @returns Who serves; `undefined` while that is not known. */
  async whoServes(): Promise<Serving | undefined> {
    return await readJson(join(this.#path, SERVING), isServing);
  }

  /**
   * Makes files look young: temporary folders are cleaned of old ones.
   *
   * @throws If the sign of life of this process is gone, so that others take it for dead.
   */
  async touch(): Promise<void> {
    this.#lock.touch();
    const now = new Date();
    for (const name of [`${this.#member}.json`, RETIRED]) {
      await utimes(join(this.#path, name), now, now).catch(() => {}); // it may not be there
    }
  }

  /** Leaves: what this process did stays. */
  leave(): void {
    this.#lock.release();
  }

  async #write(counts: Counts): Promise<void> {
    if (counts === this.#stored) return;
    await replace(join(this.#path, `${this.#member}.json`), await toJson(counts));
    this.#stored = counts;
  }
}

/** Rows that become text in one turn of the event loop. */
const SLICE = 2_000;

/** A piece at a time, so that many series do not hold up what else the process does. */
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
    const lock = ProcessLock.take(path);
    if (lock !== undefined) return lock;
    if (performance.now() >= end) {
      throw new Error(`Cannot share metrics: ${path} has been locked for too long`);
    }
    await delay(DOOR_INTERVAL);
  }
}

/** All that have any file: one that has just joined has a lock alone. */
async function membersOf(path: string): Promise<string[]> {
  const names = await readdir(path);
  return [...new Set(names.flatMap((name) => MEMBER_FILE.exec(name)?.[1] ?? []))];
}

function isAlive(path: string, member: string): boolean {
  return ProcessLock.isTaken(join(path, `${member}.lock`));
}

/** Removes what an earlier run left; what others keep in the folder stays. */
async function clear(path: string): Promise<void> {
  const names = await readdir(path);
  const left = names.filter((name) => MEMBER_FILE.test(name));
  await Promise.all(
    [RETIRED, SERVING, ...left].map((name) => rm(join(path, name), { force: true })),
  );
}

/**
 * Puts the files of the dead together, in an order that survives being killed at any
 * point: what is in the one file is named there before its own is removed.
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
  await Promise.all(names.map((name) => rm(join(path, name), { force: true })));
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

/** Reads a file; `undefined` when it is not there, or holds something else. */
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
