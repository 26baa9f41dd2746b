import { builtinModule, mainModule } from "../../platform/runtime.ts";

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
  const own: string = import.meta.url; // of its own: bundlers copy the folder of a URL they can read
  return new URL(`./${name}.${own.endsWith(".ts") ? "ts" : "js"}`, own);
}

/**
 * The module that a thread runs.
 *
 * @param isProgram Whether it is the program of this process, which declares the actors itself.
 * @returns A URL that all runtimes start threads from: of a file, or of a line that imports.
 */
export function entryOfThread(isProgram: boolean): URL {
  const url = isProgram ? programUrl() : beside("thread_entry");
  if (url.protocol === "file:") return url;
  return new URL(`data:text/javascript,import ${encodeURIComponent(JSON.stringify(url.href))}`);
}

/** @returns The URL of the module that a process runs. */
export function entryOfProcess(): URL {
  return beside("process_entry");
}

/** Not the URL of this module: in a bundle that is a part of the program, without its actors. */
function programUrl(): URL {
  const main = mainModule();
  return URL.canParse(main) ? new URL(main) : builtinModule("node:url").pathToFileURL(main);
}
