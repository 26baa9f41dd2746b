import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerAddress } from "./exchange.ts";
import type { ServerName } from "./install.ts";
import { ServerProcess } from "./server_process.ts";

/** Plan to run a server again and again in the same place. */
export interface ServerPlan {
  /** The program's path. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Variables besides those of this process. @default {{}} */
  readonly env?: Readonly<Record<string, string>>;
  /** Folder of its files. */
  readonly folder: string;
  /** True if the folder stays when the server stops. @default {false} */
  readonly keepsFolder?: boolean;
  /** Milliseconds that a start may take. @default {10_000} */
  readonly timeout?: number;
  /** Milliseconds after which to ask again whether it serves. @default {5} */
  readonly interval?: number;
}

/** @returns A new folder for a server's files. */
export function createServerFolder(name: ServerName): Promise<string> {
  return mkdtemp(join(tmpdir(), `dramatiq-${name}-`));
}

/**
 * A server for tests and benchmarks: one that was started here, which can be killed,
 * paused and started again, or one that runs already, which cannot.
 */
export abstract class TestServer implements AsyncDisposable, ServerAddress {
  /** Port of the server. */
  readonly host: string;
  /** Its TCP port. It keeps it over a restart. */
  readonly port: number;
  readonly #plan: ServerPlan | undefined;
  #process: ServerProcess | undefined;

  /**
   * @param address Where it listens.
   * @param plan How to run it, or `undefined` for a server that runs already.
   */
  constructor({ host, port }: ServerAddress, plan?: ServerPlan) {
    this.host = host;
    this.port = port;
    this.#plan = plan;
  }

  /** True if it was started here. If not, it is shared with others and is only to be used. */
  get isOwn(): boolean {
    return this.#plan !== undefined;
  }

  /** Folder of its files. */
  get folder(): string {
    return this.#ownPlan("find the folder of").folder;
  }

  /** Its process id, or `undefined` while it does not run. */
  get pid(): number | undefined {
    return this.#process?.isRunning ? this.#process.pid : undefined;
  }

  /** Kills it without warning (SIGKILL) and waits for its end. */
  async kill(): Promise<void> {
    this.#ownPlan("kill");
    await this.#process?.kill();
  }

  /** Kills it if it runs, starts it on the same port and files, and waits until it serves. */
  async restart(): Promise<void> {
    const plan = this.#ownPlan("restart");
    await this.kill();
    this.#process = new ServerProcess({
      ...plan,
      log: join(plan.folder, "output.log"),
      folderToRemove: plan.keepsFolder ? undefined : plan.folder,
    });
    try {
      await this.#process.untilReady(() => this.isReady(), plan);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Makes it stand still (SIGSTOP): connections stay, and nothing is answered any more. */
  async pause(): Promise<void> {
    this.#ownPlan("pause");
    await this.#process?.pause();
  }

  /** Lets it go on after a pause. */
  continue(): void {
    this.#ownPlan("continue");
    this.#process?.signal("SIGCONT");
  }

  /** Ends it and removes its files. A server that ran already is left running. */
  async stop(): Promise<void> {
    if (this.#plan === undefined) return;
    await this.kill();
    if (this.#plan.keepsFolder) return;
    await rm(this.#plan.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** As {@linkcode stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Asks it something that only a server in service answers. */
  protected abstract isReady(): Promise<boolean>;

  #ownPlan(action: string): ServerPlan {
    if (this.#plan !== undefined) return this.#plan;
    throw new Error(
      `Cannot ${action} the server at ${this.host}:${this.port}: it was not started here`,
    );
  }
}
