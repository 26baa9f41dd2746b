/**
 * The modules that threads and processes run. They are started by URL, which neither packers nor
 * bundlers follow; these imports put them into every package and bundle.
 */
export const entries = {
  thread: (): Promise<unknown> => import("./thread_entry.ts"),
  process: (): Promise<unknown> => import("./process_entry.ts"),
};

/** A module beside this one: TypeScript, or what a registry made of it; on disk or on a server. */
function beside(name: string): URL {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./${name}.${extension}`, import.meta.url);
}

/**
 * Finds what a thread is to run.
 *
 * @param name The module, without its extension.
 * @returns A URL that all runtimes start threads from: of a file, or of a line that imports.
 */
export function entryOfThread(name: string): URL {
  const url = beside(name);
  if (url.protocol === "file:") return url;
  return new URL(`data:text/javascript,import ${encodeURIComponent(JSON.stringify(url.href))}`);
}

/**
 * Finds what a process is to run.
 *
 * @param name The module, without its extension.
 * @returns Its URL.
 */
export function entryOfProcess(name: string): URL {
  return beside(name);
}
