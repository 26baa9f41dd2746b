import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { RealmExecutor, type RealmOptions } from "./realm_executor.ts";
import type { Channel, ChannelListener, RealmSettings } from "./realm_protocol.ts";

/** Options for {@linkcode ProcessExecutor}. */
export interface ProcessExecutorOptions extends RealmOptions {
  /** How many processes there are. @default {availableParallelism()} */
  processes?: number;
  /**
   * Options of the runtime for each process, such as `--max-old-space-size=512` (Node) or
   * `--v8-flags=--max-old-space-size=512` (Deno).
   *
   * @default {[]}
   */
  execArgv?: readonly string[];
}

/**
 * Runs actors in child processes: as `ThreadExecutor`, but what an actor does to its
 * memory, or native code to its process, does not touch the worker. Messages take longer.
 *
 * @example Two processes with half a gigabyte each
 * ```ts ignore
 * const executor = new ProcessExecutor({
 *   modules: [new URL("./actors.ts", import.meta.url).href],
 *   processes: 2,
 *   execArgv: ["--max-old-space-size=512"],
 * });
 * ```
 */
export class ProcessExecutor extends RealmExecutor {
  protected readonly canEndBusyRealms = true;
  readonly #execArgv: string[];

  /**
   * Stores and checks the options.
   *
   * @param options What the processes run, and how many there are.
   * @throws {TypeError} If no module is named, or one by a relative path.
   * @throws {RangeError} If `processes` or `concurrency` is not a whole number above 0.
   */
  constructor(options: ProcessExecutorOptions) {
    super("process", options.processes ?? availableParallelism(), options);
    this.#execArgv = [...options.execArgv ?? []];
  }

  /** Starts a process. */
  protected open(settings: RealmSettings, listener: ChannelListener): Channel {
    const child = fork(entry(), [], {
      execArgv: this.#execArgv,
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    let how: string | undefined;
    let isDisconnected = false;
    const ended = () => {
      if (how !== undefined && isDisconnected) listener.ended(how);
    };
    child.on("message", (message) => listener.received(message as never));
    child.on("error", (error) => {
      how ??= String(error);
    });
    // Messages may still come between the two, whichever is the first.
    child.on("exit", (code, signal) => {
      how ??= signal === null
        ? `its process ended with code ${code}`
        : `its process was ended by ${signal}`;
      ended();
    });
    child.on("disconnect", () => {
      isDisconnected = true;
      child.kill("SIGKILL");
      ended();
    });
    child.send({ settings });
    return {
      slots: undefined,
      post: (message) => {
        if (child.connected) child.send(message);
      },
      kill: () => void child.kill("SIGKILL"),
    };
  }
}

/** This file may be TypeScript, or what a registry made of it; at home or on a server. */
function entry(): string {
  const url = new URL(
    import.meta.url.endsWith(".ts") ? "./process_entry.ts" : "./process_entry.js",
    import.meta.url,
  );
  return url.protocol === "file:" ? fileURLToPath(url) : url.href;
}
