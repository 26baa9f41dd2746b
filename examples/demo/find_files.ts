import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { UsageError } from "./arguments.ts";
import { reasonOf } from "./text_file.ts";

/** Folders that hold copies of what others wrote, by name. */
const LEFT_OUT: ReadonlySet<string> = new Set([".git", "node_modules"]);

/** Files below a folder. */
export interface FoundFiles {
  /** The paths of all files, binary or not, from the folder on. */
  readonly files: readonly string[];
  /** Why folders could not be read, one sentence each. */
  readonly failures: readonly string[];
}

/**
 * Makes sure that a folder can be read.
 *
 * @throws {UsageError} If it cannot.
 */
export async function assertFolder(folder: string): Promise<void> {
  try {
    await readdir(folder);
  } catch (error) {
    throw new UsageError(`Cannot read folder "${folder}": ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Finds all files below a folder. Symbolic links are not followed: they lead to files
 * that are found anyway, out of the folder, or round in circles.
 *
 * @param folder Where to look.
 * @param signal Ends the search early.
 */
export async function findFiles(folder: string, signal: AbortSignal): Promise<FoundFiles> {
  const files: string[] = [];
  const failures: string[] = [];
  const folders = [folder];
  while (folders.length > 0 && !signal.aborted) {
    const current = folders.pop()!;
    try {
      for (const entry of await readdir(current, { withFileTypes: true })) {
        const path = join(current, entry.name);
        if (entry.isFile()) files.push(relative(folder, path));
        else if (entry.isDirectory() && !LEFT_OUT.has(entry.name)) folders.push(path);
      }
    } catch (error) {
      failures.push(`Cannot read folder "${current}": ${reasonOf(error)}`);
    }
  }
  return { files, failures };
}
