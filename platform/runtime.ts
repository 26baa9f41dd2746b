/**
 * The one file that knows on which runtime it is. Everything else uses what
 * Deno, Bun and Node have in common.
 *
 * @module
 */
import { UuidStock } from "./uuid.ts";

/** The parts of `Deno` that are used here; its types do not exist elsewhere. */
interface DenoNamespace {
  env: { get(name: string): string | undefined };
  permissions: { querySync(query: { name: string } & PermissionScope): { state: string } };
  mainModule: string;
  build: { standalone?: boolean };
}

/** Modules of the platform that are loaded when they are needed, if ever. */
interface BuiltinModules {
  "node:child_process": typeof import("node:child_process");
  "node:crypto": typeof import("node:crypto");
  "node:fs": typeof import("node:fs");
  "node:module": typeof import("node:module");
  "node:os": typeof import("node:os");
  "node:path": typeof import("node:path");
  "node:sea": { isSea(): boolean } | undefined;
  "node:sqlite": unknown;
  "node:url": typeof import("node:url");
  "node:worker_threads": typeof import("node:worker_threads");
}

/** @returns Name and version of the runtime, as `deno 2.9.6`. */
export function runtimeVersion(): string {
  const version = thisProcess().versions?.[runtime];
  return version === undefined ? runtime : `${runtime} ${version}`;
}

/** The parts of `process` that are used here. */
export interface NodeProcess {
  pid: number;
  env: Record<string, string | undefined>;
  argv: string[];
  execArgv: string[];
  execPath: string;
  getBuiltinModule<Name extends keyof BuiltinModules>(name: Name): BuiltinModules[Name];
  on(event: string, listener: (...args: never[]) => void): void;
  exit(code: number): never;
  send?(message: unknown): void;
  kill(pid: number, signal: number): void;
  getuid?(): number;
  memoryUsage?(): { rss: number };
  versions?: Record<string, string | undefined>;
}

const globals = globalThis as unknown as {
  Deno?: DenoNamespace;
  Bun?: { main: string };
  process?: NodeProcess;
  setImmediate?: (callback: () => void) => unknown;
  addEventListener?: (event: string, listener: () => void) => void;
};

/** The runtime that this code runs on. */
export const runtime: "deno" | "bun" | "node" = globals.Deno !== undefined
  ? "deno"
  : globals.Bun !== undefined
  ? "bun"
  : "node";

const uuids = /* @__PURE__ */ new UuidStock();

/**
 * As `crypto.randomUUID`. That of Node takes three times as long, and makes a text of twenty
 * pieces, which take half a kilobyte until somebody joins them.
 */
export const randomUuid: () => string = runtime === "node"
  ? () => uuids.take()
  : () => crypto.randomUUID();

/**
 * Reads an environment variable, or its upper-case spelling. On Deno, one that
 * the process has no permission to read counts as unset: a library must not
 * make its user's program prompt.
 *
 * @param name The variable in lower case.
 * @returns Its text, or `undefined` when unset or empty.
 */
export function readEnvironment(name: string): string | undefined {
  for (const spelling of [name, name.toUpperCase()]) {
    const value = globals.Deno === undefined
      ? globals.process?.env[spelling]
      : readOnDeno(globals.Deno, spelling);
    if (value !== undefined && value !== "") return value;
  }
  return undefined;
}

function readOnDeno(deno: DenoNamespace, variable: string): string | undefined {
  return isPermitted("env", { variable }) ? deno.env.get(variable) : undefined;
}

/** True if an environment variable, or its upper-case spelling, may be read. */
export function mayReadEnvironment(name: string): boolean {
  return [name, name.toUpperCase()].some((variable) => isPermitted("env", { variable }));
}

/**
 * Reads an environment variable that holds a whole number.
 *
 * @param name The variable in lower case; its upper-case spelling counts too.
 * @param fallback What it means when it is unset.
 * @returns The number.
 * @throws {RangeError} If it is set to anything but a whole number of 0 or more.
 */
export function readEnvironmentNumber(name: string, fallback: number): number {
  const text = readEnvironment(name);
  if (text === undefined) return fallback;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0 || text.trim() === "") {
    throw new RangeError(
      `Cannot read environment variable ${name}: it must be a whole number of 0 or more, not "${text}"`,
    );
  }
  return number;
}

/** True if a file may be read; Deno would ask its user otherwise. */
export function mayRead(path: string): boolean {
  return isPermitted("read", { path });
}

/** True if a file may be written; Deno would ask its user otherwise. */
export function mayWrite(path: string): boolean {
  return isPermitted("write", { path });
}

/**
 * Present on all three runtimes, yet in the types of none that they share. A test may replace the
 * global one by one that never calls back.
 */
const startImmediate = globals.setImmediate;

/**
 * Lets timers, sockets and signals have their turn. Promise callbacks alone
 * never do: a worker with an endless backlog would starve them.
 *
 * @returns A promise that resolves in a later turn of the event loop.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (startImmediate !== undefined) startImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/** @returns This process, which Deno has, too. */
export function thisProcess(): NodeProcess {
  return globals.process!;
}

/** @returns The program that was started: a URL on Deno, a path elsewhere. */
export function mainModule(): string {
  return globals.Deno?.mainModule ?? globals.Bun?.main ?? globals.process!.argv[1] ?? "";
}

/** @returns Whether the runtime and the program are one file. */
export function isStandalone(): boolean {
  if (globals.Deno !== undefined) return globals.Deno.build.standalone === true;
  if (globals.Bun !== undefined) return /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(mainModule());
  return isSingleExecutable();
}

/** @returns Whether this is a single executable application of Node, which starts no threads. */
export function isSingleExecutable(): boolean {
  return runtime === "node" && (builtinModule("node:sea")?.isSea() ?? false);
}

/**
 * Says which flags Deno would have to be started with for a program that starts others.
 *
 * @returns The flags that are missing; none on other runtimes.
 */
export function flagsMissingToStartPrograms(): string[] {
  const mayRun = isPermitted("run"); // as a whole: else it may start processes, and not end them
  const mayRead = isPermitted("read", { path: "." });
  const missing = { run: !mayRun, read: !mayRead, env: !isPermitted("env") };
  return Object.entries(missing).filter(([, isMissing]) => isMissing)
    .map(([name]) => `--allow-${name}`);
}

/** Scope of a permission of Deno. */
interface PermissionScope {
  readonly path?: string;
  readonly variable?: string;
  readonly kind?: string;
}

/**
 * True if Deno grants a permission; on other runtimes nothing is forbidden.
 *
 * @param name The permission.
 * @param scope What for. @default {{}} As a whole.
 */
export function isPermitted(name: string, scope: PermissionScope = {}): boolean {
  const { Deno } = globals;
  if (Deno === undefined) return true;
  try {
    return Deno.permissions.querySync({ name, ...scope }).state === "granted";
  } catch {
    return false; // a version that does not know it
  }
}

/**
 * Finds a package as a program in some folder would.
 *
 * @param name `actors`, `@my/actors/mails`.
 * @param folder The folder.
 * @returns What to import; `undefined` if there is no such package.
 */
export function resolvePackage(name: string, folder: string): string | undefined {
  if (runtime === "deno") return name; // the import map holds for all modules of a program
  const { createRequire } = builtinModule("node:module");
  try {
    const path = createRequire(`${folder}/_.js`).resolve(name);
    return builtinModule("node:url").pathToFileURL(path).href;
  } catch (error) {
    // There, but for `import` only: found where this library is installed, most likely.
    return (error as { code?: string }).code === "ERR_PACKAGE_PATH_NOT_EXPORTED" ? name : undefined;
  }
}

/**
 * Loads a module of the platform at its first use: some take longer than this whole library.
 *
 * @param name The module.
 */
export function builtinModule<Name extends keyof BuiltinModules>(name: Name): BuiltinModules[Name] {
  return globals.process!.getBuiltinModule(name);
}

/**
 * True if a module is the program that was started.
 *
 * @param meta Its `import.meta`.
 */
export function isMain(meta: ImportMeta): boolean {
  const { main, url } = meta as { main?: boolean; url?: string };
  if (main !== undefined) return main;
  // Node before 24.2; in CommonJS no module has a URL.
  const start = globals.process!.argv[1];
  if (start === undefined || url === undefined) return false;
  try {
    const path = builtinModule("node:fs").realpathSync(start); // npm links commands
    return builtinModule("node:url").pathToFileURL(path).href === url;
  } catch {
    return false;
  }
}

/**
 * True if a thread ends that is told to while it computes. On Deno (2.9) it goes on for
 * ever, and keeps a core busy until the process ends; `tests/worker/executors/` checks that.
 */
export const canEndBusyThreads: boolean = runtime !== "deno";

/**
 * Listens for the end of this thread or process by its own hand. The listener still runs
 * in the asynchronous context of whoever called `process.exit()` or `Deno.exit()`.
 *
 * @param listener What to call, once.
 */
export function onExit(listener: (how: string) => void): void {
  let isOver = false;
  const end = (how: string) => {
    if (!isOver) listener(how);
    isOver = true;
  };
  globals.process?.on("exit", (code: number) => end(`it called process.exit(${code})`));
  // `Deno.exit()` does not concern the process of Node.
  if (runtime === "deno") globals.addEventListener?.("unload", () => end("it called Deno.exit()"));
}
