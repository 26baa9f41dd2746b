/**
 * Files in a temporary folder, in which any local user may have created files first.
 *
 * Only this user may access the folder (mode 0700). Files in it are created exclusively, under a new
 * name, and read only if they are regular files, never through a symbolic link.
 *
 * @module
 */

import { constants, type Stats } from "node:fs";
import { access, chmod, lstat, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { userId } from "../../platform/process.ts";
import { runtime } from "../../platform/runtime.ts";
import { errorMessage } from "../../platform/thrown.ts";

/** Mode bits of the type: folder, symbolic link, regular file. */
const FILE_TYPE = 0o170000;
/** Mode bits of access for others than the owner. */
const ACCESS_OF_OTHERS = 0o077;

/** The attributes that differ if another file or folder has taken the place of a checked one. */
export type FileIdentity = Pick<Stats, "dev" | "ino" | "mode" | "uid">;

/**
 * Creates a folder that only this user can access, or checks an existing one and closes it to others.
 *
 * @param path The folder.
 * @param setting The option and variable that name it, for errors.
 * @returns Its identity, for {@linkcode isSameFolder}.
 * @throws If it is not a folder, a symbolic link, another user's, or cannot be written to.
 */
export async function openPrivateFolder(path: string, setting: string): Promise<FileIdentity> {
  const fail = (reason: string, cause?: unknown) =>
    new Error(`Cannot keep metrics in ${path}: ${reason} (${setting})`, { cause });
  const stats = await makeFolder(path).catch((error) => {
    throw fail(errorMessage(error), error);
  });
  if (stats.isSymbolicLink()) throw fail("it is a symbolic link");
  if (!stats.isDirectory()) throw fail("it is not a folder");
  const uid = await uidOfNewFile(path).catch((error) => {
    throw fail(errorMessage(error), error);
  });
  if (stats.uid !== uid) throw fail("it belongs to another user");
  if ((stats.mode & ACCESS_OF_OTHERS) !== 0) await chmod(path, 0o700);
  return stats;
}

/**
 * Checks cheaply whether a folder was deleted or replaced after it was opened.
 *
 * An inode number is soon used again, so the owner and the type are compared as well: the same number
 * may be another user's folder, or a symbolic link.
 *
 * @param path The folder.
 * @param opened Its identity when it was opened.
 */
export async function isSameFolder(path: string, opened: FileIdentity): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && found.dev === opened.dev && found.ino === opened.ino &&
    found.uid === opened.uid && (found.mode & FILE_TYPE) === (opened.mode & FILE_TYPE);
}

async function makeFolder(path: string): Promise<Stats> {
  const present = await lstat(path).catch(() => undefined);
  if (present !== undefined) return present;
  await mkdir(path, { recursive: true, mode: 0o700 });
  return await lstat(path);
}

/** The id of this user; Deno needs a permission to read it. */
async function uidOfNewFile(folder: string): Promise<number> {
  const path = join(folder, `${crypto.randomUUID()}.new`);
  const file = await open(path, "wx", 0o600);
  try {
    return (await file.stat()).uid;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/**
 * Checks a file before it is opened by name, or creates it.
 *
 * @param path The file.
 * @param setting The option and variable that name it, for errors.
 * @throws If it is not a regular file, belongs to another user, or cannot be created.
 */
export async function openPrivateFile(path: string, setting: string): Promise<void> {
  const fail = (reason: string, cause?: unknown) =>
    new Error(`Cannot lock ${path}: ${reason} (${setting})`, { cause });
  try {
    const file = await open(path, "wx", 0o600);
    await file.close();
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw fail(errorMessage(error), error);
    const stats = await lstat(path);
    if (!stats.isFile()) throw fail("it is not a regular file");
    const uid = userId();
    if (uid !== undefined && stats.uid !== uid) throw fail("it belongs to another user");
    // Without the permission to read the id, `access` of Deno ends the process with an uncaught error.
    if (uid === undefined && runtime === "deno") return;
    await access(path, constants.R_OK | constants.W_OK).catch((denied) => {
      throw fail(`it belongs to another user: ${errorMessage(denied)}`, denied);
    });
  }
}

/**
 * Reads a file of the folder.
 *
 * @param path The file.
 * @throws If it does not exist (`ENOENT`), or is not a regular file.
 */
export async function readPrivateFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new TypeError("it is not a regular file");
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/**
 * Replaces a file of the folder as a whole: readers never see half of it.
 *
 * @param path The file.
 * @param draft A name in the folder that no other process writes to.
 * @param text The contents.
 */
export async function replacePrivateFile(path: string, draft: string, text: string): Promise<void> {
  await rm(draft, { force: true });
  await writeFile(draft, text, { flag: "wx", mode: 0o600 });
  await rename(draft, path);
}
