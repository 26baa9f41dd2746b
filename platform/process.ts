/**
 * This process, those beside it, and its parent.
 *
 * @module
 */
import { builtinModule, isPermitted, mayRead, thisProcess } from "./runtime.ts";

/** @returns The number that the system knows this process by. */
export function processId(): number {
  return thisProcess().pid; // Deno has one, too
}

/** @returns Bytes of memory that this process has; `undefined` where the runtime does not tell. */
export function residentMemory(): number | undefined {
  try {
    return thisProcess().memoryUsage?.().rss;
  } catch {
    return undefined; // Deno may not tell
  }
}

/**
 * True if a process of this machine has ended.
 *
 * @param pid The number that the system knows it by.
 * @returns `false` as well when it cannot be found out: on Deno that needs `--allow-run`.
 */
export function hasProcessEnded(pid: number): boolean {
  if (!isPermitted("run")) return false;
  try {
    thisProcess().kill(pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === "ESRCH";
  }
}

/**
 * Tells the processes that {@linkcode hasProcessEnded} can be asked about from others: the name of
 * the machine, and on Linux the namespace of processes.
 *
 * @returns The name; `undefined` when it may not be read.
 */
export function processNamespace(): string | undefined {
  const host = hostname();
  if (host === undefined) return undefined;
  try {
    return `${host} ${readNamespace()}`;
  } catch {
    return undefined;
  }
}

/** The name of the machine; `undefined` when it may not be read. */
export function hostname(): string | undefined {
  if (!isPermitted("sys", { kind: "hostname" })) return undefined;
  return builtinModule("node:os").hostname();
}

function readNamespace(): string {
  const link = "/proc/self/ns/pid";
  if (!mayRead(link)) throw new TypeError(`Cannot read ${link}: it is not allowed`);
  const fs = builtinModule("node:fs");
  return fs.existsSync("/proc/self") ? fs.readlinkSync(link) : "";
}

/** @returns The number of this user; `undefined` where nobody has one, or Deno may not tell. */
export function userId(): number | undefined {
  try {
    return thisProcess().getuid?.();
  } catch {
    return undefined;
  }
}

/**
 * Catches what nobody else does: errors in timers and listeners, promises that reject
 * unheard. Mostly the listener runs in the asynchronous context where they came from; errors
 * in timers on Deno, and rejections on Bun, come without one.
 *
 * @param listener What to call with each error.
 */
export function onUncaught(listener: (error: unknown) => void): void {
  thisProcess().on("uncaughtException", listener);
  thisProcess().on("unhandledRejection", listener);
}

/** The process that forked this one. */
export interface ParentProcess {
  /** Sends it a message. */
  post(message: unknown): void;
  /** Listens to it. */
  onMessage(listener: (message: unknown) => void): void;
}

/**
 * Makes this process one that serves its parent: it ends with the parent, and only then;
 * signals to the whole group, as Ctrl-C sends them, are the business of the parent.
 *
 * @returns The parent.
 */
export function serveParentProcess(): ParentProcess {
  const process = thisProcess();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
  process.on("disconnect", () => process.exit(1));
  return {
    post: (message) => process.send!(message),
    onMessage: (listener) => process.on("message", listener as () => void),
  };
}

/**
 * A thread that looks for its parent's end once a second. Plain JavaScript that imports nothing,
 * so that it needs no file: bundles and packages have none to load.
 */
const PARENT_WATCH = `
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}, 1000);
`;

/**
 * Kills this process within a second of its parent's end. A thread does so: a process that
 * computes does not hear that its parent is gone, and would go on for ever.
 */
export function dieWithParent(): void {
  const { Worker: Thread } = builtinModule("node:worker_threads");
  new Thread(PARENT_WATCH, { eval: true }).unref();
}
