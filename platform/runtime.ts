/**
 * The only file that depends on the runtime. All others use what Deno, Bun and Node share.
 *
 * @module
 */
import { UuidStock } from "./uuid.ts";

/** The members of `Deno` that are used here; other runtimes have no types for it. */
interface DenoNamespace {
  env: { get(name: string): string | undefined };
  permissions: { querySync(query: { name: string } & PermissionScope): { state: string } };
  mainModule: string;
  build: { standalone?: boolean };
}

/** Built-in modules that are loaded lazily. */
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

/** @returns Name and version of the runtime, such as `deno 2.9.6`. */
export function runtimeVersion(): string {
  const version = thisProcess().versions?.[runtime];
  return version === undefined ? runtime : `${runtime} ${version}`;
}

/** The members of `process` that are used here. */
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
 * `crypto.randomUUID`, replaced on Node: there it takes three times as long, and returns a
 * concatenation of twenty strings that takes half a kilobyte until it is flattened.
 */
export const randomUuid: () => string = runtime === "node"
  ? () => uuids.take()
  : () => crypto.randomUUID();

/**
 * Reads an environment variable, or its upper-case spelling. On Deno, a variable without permission
 * to read counts as unset: a library must not make the program prompt for it.
 *
 * @param name The variable in lower case.
 * @returns Its value; `undefined` if it is unset or empty.
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
 * @param fallback The number if it is unset.
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

/** True if a file may be read without a prompt of Deno. */
export function mayRead(path: string): boolean {
  return isPermitted("read", { path });
}

/**
 * Checks that a server may listen. Deno throws a missing permission where nothing can catch it.
 *
 * @param address `host:port`, as in a URL.
 * @throws {Error} If it may not, with the flag that allows it.
 */
export function assertMayListen(address: string): void {
  if (isPermitted("net", { host: address })) return;
  throw new Error(`it needs the permission; run again with --allow-net=${address}`);
}

/** True if a file may be written without a prompt of Deno. */
export function mayWrite(path: string): boolean {
  return isPermitted("write", { path });
}

/**
 * Exists on all three runtimes, but not in their common types. Read once, at load: a test of an
 * application may later replace the global with a fake that never calls back.
 */
const startImmediate = globals.setImmediate;

/**
 * Waits for the next turn of the event loop, so that timers, sockets and signals are handled.
 * Promise callbacks alone would starve them while a worker has a backlog.
 *
 * @returns A promise that resolves in a later turn of the event loop.
 */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (startImmediate !== undefined) startImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/** @returns The global `process`, which Deno has, too. */
export function thisProcess(): NodeProcess {
  return globals.process!;
}

/** @returns The main module: a URL on Deno, a path elsewhere. */
export function mainModule(): string {
  return globals.Deno?.mainModule ?? globals.Bun?.main ?? globals.process!.argv[1] ?? "";
}

/** @returns Whether the program is compiled into one file with the runtime. */
export function isStandalone(): boolean {
  if (globals.Deno !== undefined) return globals.Deno.build.standalone === true;
  if (globals.Bun !== undefined) return /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(mainModule());
  return isSingleExecutable();
}

/** @returns Whether this is a single executable application of Node, which cannot start threads. */
export function isSingleExecutable(): boolean {
  return runtime === "node" && (builtinModule("node:sea")?.isSea() ?? false);
}

/**
 * Permission flags that Deno lacks for starting processes.
 *
 * @returns The missing flags; none on other runtimes.
 */
export function flagsMissingToStartPrograms(): string[] {
  const mayRun = isPermitted("run"); // unscoped: a scoped one allows no signals to processes
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
  readonly host?: string;
}

/**
 * True if Deno grants a permission. Always true on other runtimes.
 *
 * @param name The permission.
 * @param scope A path, a variable or a kind. @default {{}} The whole permission.
 */
export function isPermitted(name: string, scope: PermissionScope = {}): boolean {
  const { Deno } = globals;
  if (Deno === undefined) return true;
  try {
    return Deno.permissions.querySync({ name, ...scope }).state === "granted";
  } catch {
    return false; // this version does not know the permission
  }
}

/**
 * Resolves a package as a module in a folder would.
 *
 * @param name Such as `actors` or `@my/actors/mails`.
 * @param folder The folder.
 * @returns The specifier to import; `undefined` if the package is not installed.
 */
export function resolvePackage(name: string, folder: string): string | undefined {
  if (runtime === "deno") return name; // the import map applies to all modules of a program
  const { createRequire } = builtinModule("node:module");
  try {
    const path = createRequire(`${folder}/_.js`).resolve(name);
    return builtinModule("node:url").pathToFileURL(path).href;
  } catch (error) {
    // Exported for `import` only, which `resolve` cannot see. Import it by name, from here.
    return (error as { code?: string }).code === "ERR_PACKAGE_PATH_NOT_EXPORTED" ? name : undefined;
  }
}

/**
 * Loads a built-in module lazily: some take longer to load than this whole library.
 *
 * @param name The module.
 */
export function builtinModule<Name extends keyof BuiltinModules>(name: Name): BuiltinModules[Name] {
  return globals.process!.getBuiltinModule(name);
}

/**
 * True if a module is the main module.
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
    const path = builtinModule("node:fs").realpathSync(start); // npm installs commands as links
    return builtinModule("node:url").pathToFileURL(path).href === url;
  } catch {
    return false;
  }
}

/**
 * True if a thread can be terminated while it computes. On Deno (2.9) it keeps a core busy until
 * the process ends; `tests/worker/executors/` checks that.
 */
export const canEndBusyThreads: boolean = runtime !== "deno";

/**
 * Listens for calls of `process.exit()` and `Deno.exit()` in this thread or process. The listener
 * runs in the asynchronous context of the call.
 *
 * @param listener Called once, with the cause.
 */
export function onExit(listener: (how: string) => void): void {
  let isOver = false;
  const end = (how: string) => {
    if (!isOver) listener(how);
    isOver = true;
  };
  globals.process?.on("exit", (code: number) => end(`it called process.exit(${code})`));
  // `Deno.exit()` emits no "exit" on `process`.
  if (runtime === "deno") globals.addEventListener?.("unload", () => end("it called Deno.exit()"));
}
