import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";
import { processId } from "../../platform/process.ts";
import { areCounts, type Counts, countsOfDead, sumOf } from "./counts.ts";
import {
  type FileIdentity,
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
export const RETIRED = "retired.json";
/** File that names the serving process. */
export const SERVING = "serving.json";
/** Lock of a process that joins or cleans up. */
const DOOR = "door.lock";
/** The option and variable that name the folder, for errors. */
const SETTING = "database, or dramatiq_prom_db";
/** Milliseconds to wait for others that join or clean up. */
const DOOR_TIMEOUT = 5_000;
const DOOR_INTERVAL = 10;

const NOTHING: Counts = { series: [], delayed: [], more: [] };

/** The contents of {@linkcode RETIRED}. */
interface Retired {
  readonly counts: Counts;
  /** Members whose counts it includes, in case their files still exist. */
  readonly members: readonly string[];
}

/** The place of a process in the folder. */
export interface Place {
  readonly folder: FileIdentity;
  readonly member: string;
  readonly lock: ProcessLock;
}

/**
 * Takes a place for this process in the folder, after a check of the folder.
 *
 * @param path The folder, which is created if it does not exist.
 * @param previous The name of this process if it has been a member of the run.
 */
export async function takePlace(path: string, previous?: string): Promise<Place> {
  const folder = await openPrivateFolder(path, SETTING);
  await openPrivateFile(join(path, DOOR), SETTING);
  const door = await enter(join(path, DOOR));
  try {
    if (previous !== undefined) await removeMembers(path, [previous]);
    const members = await membersOf(path);
    const isRunning = previous !== undefined || members.some((member) => isAlive(path, member));
    if (isRunning) await retire(path, members);
    else await clear(path);
    const member = `${processId()}-${crypto.randomUUID().slice(0, 8)}`;
    const lock = ProcessLock.take(join(path, `${member}.lock`))!; // no other process knows its name
    return { folder, member, lock };
  } finally {
    door.release();
  }
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
export async function membersOf(path: string): Promise<string[]> {
  const names = await readdir(path);
  return [...new Set(names.flatMap((name) => MEMBER_FILE.exec(name)?.[1] ?? []))];
}

/** True while the process of a member lives. */
export function isAlive(path: string, member: string): boolean {
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

/** The counts of a member; `undefined` if it has written none. */
export async function readMember(path: string, member: string): Promise<Counts | undefined> {
  return await readJson(join(path, `${member}.json`), areCounts);
}

/** The sums of dead processes. */
export async function readRetired(path: string): Promise<Retired> {
  return await readJson(join(path, RETIRED), isRetired) ?? { counts: NOTHING, members: [] };
}

function isRetired(value: unknown): value is Retired {
  const { counts, members } = value as Partial<Retired>;
  return typeof counts === "object" && areCounts(counts) && Array.isArray(members) &&
    members.every((member) => typeof member === "string" && MEMBER.test(member));
}

/** Reads a file; `undefined` if it does not exist or holds something else. */
export async function readJson<T>(
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

/** Replaces a file of a process as a whole. */
export async function replace(file: string, text: string): Promise<void> {
  await replacePrivateFile(file, file.replace(/\.json$/, ".tmp"), text);
}
