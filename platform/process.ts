/**
 * This process, other processes of the machine, and the parent process.
 *
 * @module
 */
import { builtinModule, isPermitted, mayRead, thisProcess } from "./runtime.ts";

/** @returns The process id. */
export function processId(): number {
  return thisProcess().pid;
}

/** @returns Resident memory of this process in bytes; `undefined` if the runtime hides it. */
export function residentMemory(): number | undefined {
  try {
    return thisProcess().memoryUsage?.().rss;
  } catch {
    return undefined; // Deno without --allow-sys
  }
}

/**
 * True if a process of this machine has ended.
 *
 * @param pid The process id.
 * @returns `false` also if that cannot be checked: Deno needs `--allow-run`.
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
 * Name of the process namespace: the host name, and on Linux the pid namespace. Process ids are
 * comparable, and {@linkcode hasProcessEnded} is meaningful, within one namespace only.
 *
 * @returns The name; `undefined` if it may not be read.
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

/** The host name; `undefined` if it may not be read. */
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

/** @returns The user id; `undefined` on systems without one, or if Deno may not read it. */
export function userId(): number | undefined {
  try {
    return thisProcess().getuid?.();
  } catch {
    return undefined;
  }
}

/**
 * Listens for uncaught errors and unhandled rejections. The listener usually runs in the
 * asynchronous context that they come from; errors of timers on Deno and rejections on Bun have
 * none.
 *
 * @param listener Called with each error.
 */
export function onUncaught(listener: (error: unknown) => void): void {
  thisProcess().on("uncaughtException", listener);
  thisProcess().on("unhandledRejection", listener);
}

/** The process that forked this one. */
export interface ParentProcess {
  /** Sends a message to the parent. */
  post(message: unknown): void;
  /** Listens for messages of the parent. */
  onMessage(listener: (message: unknown) => void): void;
}

/**
 * Makes this process a child that ends when its parent disconnects. It ignores signals that are
 * sent to the whole process group, such as Ctrl-C: the parent handles them.
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
 * Source of a thread that checks once a second whether the parent process has ended. Plain
 * JavaScript without imports: a bundle has no file to load it from.
 */
const PARENT_WATCH = `
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
}, 1000);
`;

/**
 * Kills this process within a second of its parent's end. A thread does so, because the main thread
 * would not notice while it computes.
 */
export function dieWithParent(): void {
  const { Worker: Thread } = builtinModule("node:worker_threads");
  new Thread(PARENT_WATCH, { eval: true }).unref();
}
