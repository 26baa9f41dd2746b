import { mkdtemp, rm } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FaultKind } from "./faults.ts";
import { type BrokerArguments, isWorker, type Program, type Target } from "./target.ts";

/** Faults of processes that use a file: no connection can fail, and no server be restarted. */
export const SQLITE_FAULTS: readonly FaultKind[] = ["kill", "pause"];

/** Options of an {@linkcode SqliteTarget}. */
export interface SqliteTargetOptions {
  /** Milliseconds after which a silent worker loses what it had. */
  readonly heartbeatTimeout: number;
  /** Keeps a read transaction open, as a backup does. */
  readonly hasReader?: boolean;
}

/** A file that processes share until they are killed. */
export class SqliteTarget implements Target {
  readonly name = "SQLite";
  readonly restart = "restarted";
  readonly faults: readonly FaultKind[] = SQLITE_FAULTS;
  readonly isShared = false;
  /** There is no server to connect to. */
  readonly host = "127.0.0.1";
  readonly port = 9;
  readonly folder: string;
  readonly #path: string;
  readonly #heartbeatTimeout: number;
  #reader: DatabaseSync | undefined;

  private constructor(folder: string, heartbeatTimeout: number) {
    this.folder = folder;
    this.#path = join(folder, "tasks.db");
    this.#heartbeatTimeout = heartbeatTimeout;
  }

  /** Makes a folder for the file. */
  static async open(
    { heartbeatTimeout, hasReader = false }: SqliteTargetOptions,
  ): Promise<SqliteTarget> {
    const folder = await mkdtemp(join(tmpdir(), "dramatiq-torture-"));
    const target = new SqliteTarget(folder, heartbeatTimeout);
    if (hasReader) target.#read();
    return target;
  }

  brokerFor(program: Program): BrokerArguments {
    const heartbeatTimeout = this.#heartbeatTimeout;
    const lease = isWorker(program) ? { heartbeatTimeout } : {};
    return { kind: "sqlite", options: { path: this.#path, ...lease } };
  }

  takeDown(): Promise<void> {
    throw new TypeError("Cannot take a file down");
  }

  bringBack(): Promise<void> {
    throw new TypeError("Cannot bring a file back");
  }

  // deno-lint-ignore require-await -- those of servers have something to wait for
  async findLeftovers(): Promise<string[]> {
    const database = new DatabaseSync(this.#path);
    try {
      database.exec("pragma busy_timeout=5000");
      const states = database.prepare(
        "select state, count(*) count from dramatiq_messages group by state",
      ).all().map(({ state, count }) => `${count} messages in state ${state}`);
      const { bodies } = database.prepare("select count(*) bodies from dramatiq_bodies").get()!;
      if (states.length === 0 && bodies !== 0) states.push(`${bodies} bodies without a message`);
      const check = database.prepare("pragma quick_check").get()!["quick_check"];
      return check === "ok" ? states : [...states, String(check)];
    } finally {
      database.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader?.close();
    await rm(this.folder, { recursive: true });
  }

  #read(): void {
    this.#reader = new DatabaseSync(this.#path);
    this.#reader.exec("pragma journal_mode=wal; create table kept(id); begin; select * from kept");
  }
}
