import { type FSWatcher, statSync, watch } from "node:fs";
import { errorMessage } from "../platform/thrown.ts";
import { matches } from "./glob.ts";
import { UsageError } from "./usage_error.ts";

/** Patterns of files to watch. */
export interface WatchPatterns {
  readonly watchInclude: readonly string[];
  readonly watchExclude: readonly string[];
}

const SOURCES: readonly string[] = ["**/*.{ts,tsx,mts,cts,js,jsx,mjs,cjs}"];
const NEVER: readonly string[] = ["**/node_modules/**", "**/.*/**"];
/**
 * Milliseconds without further changes before `onChange`: editors and builds write several files.
 */
const QUIET = 100;

/**
 * Watches the source code in a folder.
 *
 * @param folder The folder, watched recursively.
 * @param patterns Files to include in addition to JavaScript and TypeScript, and files to exclude.
 * @param onChange Called with the last changed file once no more changes follow.
 * @returns Stops watching when disposed.
 * @throws {UsageError} If there is no such folder, or it cannot be watched.
 */
export function watchSources(
  folder: string,
  { watchInclude, watchExclude }: WatchPatterns,
  onChange: (path: string) => void,
): Disposable {
  assertFolder(folder);
  const included = [...SOURCES, ...watchInclude];
  const excluded = [...NEVER, ...watchExclude];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let watcher: FSWatcher;
  try {
    watcher = watch(folder, { recursive: true }, (_event, name) => {
      const path = name?.toString().replaceAll("\\", "/") ?? "";
      if (!matches(path, included) || matches(path, excluded)) return;
      clearTimeout(timer);
      timer = setTimeout(() => onChange(path), QUIET);
    });
  } catch (error) {
    throw new UsageError(`Cannot watch ${folder}: ${errorMessage(error)}`, { cause: error });
  }
  watcher.on("error", () => {}); // a folder was removed
  return {
    [Symbol.dispose](): void {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

function assertFolder(folder: string): void {
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isFolder) throw new UsageError(`Cannot watch ${folder}: there is no such folder`);
}
