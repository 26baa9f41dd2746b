import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import process from "node:process";
import { Message, RedisBroker } from "@dq/dramatiq";
import { until } from "../support/servers/until.ts";

/**
 * The program of README.md: it sends, and then works until Ctrl-C.
 *
 * @param command What runs it.
 * @param project Where it is.
 */
export function cellsOfReadme(
  command: readonly string[],
  { folder, env }: { folder: string; env: Readonly<Record<string, string>> },
): [sends: Cell, works: Cell] {
  const sends = { name: `README on ${command.join(" ")}`, command, cwd: folder, env };
  const works = {
    until: "a second later: 0 words",
    signal: "SIGINT",
    prints: /at once: 3 words/,
  } as const;
  return [sends, { ...sends, ...works, command: [...command, "work"] }];
}

/** Milliseconds for a program to start on a machine that is busy with other things. */
const TIMEOUT = 90_000;

/** A program that runs actors, and what it is to show. */
export interface Cell {
  /** Cell: what runs which program how. */
  readonly name: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Realm of its actor; `undefined` for a program that ends by itself. */
  readonly place?: "thread" | "process";
  /** Names of actors that run before. */
  readonly first?: readonly string[];
  /** A text that it prints before it is stopped, if it runs no actor of these tests. */
  readonly until?: string;
  /** Signal that stops it. @default {"SIGTERM"} */
  readonly signal?: "SIGTERM" | "SIGINT";
  /** Output to expect, besides. */
  readonly prints?: RegExp;
}

/**
 * Runs cells, some at a time, and fails with all of those that failed.
 *
 * @param cells The programs.
 * @param redis The URL of the server that they work for.
 */
export async function runCells(cells: readonly Cell[], redis: string): Promise<void> {
  const broker = new RedisBroker({ url: redis });
  const failures: string[] = [];
  const left = cells.values();
  const lane = async () => {
    for (const cell of left) {
      await runCell(cell, broker, redis).catch((error) => failures.push(`${cell.name}: ${error}`));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, lane));
  await broker.close();
  if (failures.length > 0) {
    throw new Error(`${failures.length} of ${cells.length} failed\n\n${failures.join("\n\n")}`);
  }
}

let cellNumber = 0;

async function runCell(cell: Cell, broker: RedisBroker, redis: string): Promise<void> {
  const queueName = `cell_${++cellNumber}`;
  broker.declareQueue(queueName);
  const send = (actorName: string) =>
    broker.enqueue(new Message({ queueName, actorName, args: [queueName] }));
  for (const actorName of cell.first ?? []) await send(actorName);
  if (cell.place !== undefined) await send("where");
  const program = new Program(cell, { DRAMATIQ_BROKER_URL: redis, QUEUE: queueName });
  try {
    const text = cell.place === undefined ? cell.until : `ran ${queueName} in ${cell.place}`;
    if (text !== undefined) {
      await program.printed(text);
      program.stop(cell.signal ?? "SIGTERM");
    }
    const ending = await program.ending();
    if (ending !== 0) throw new Error(`it ended with ${ending}: ${program.output}`);
    if (cell.prints !== undefined && !cell.prints.test(program.output)) {
      throw new Error(`it did not print ${cell.prints}: ${program.output}`);
    }
  } finally {
    program.kill();
  }
}

/** A program that is under way. */
export class Program {
  /** All that it printed. */
  output = "";
  /** Its exit code, or the signal that ended it, once it has ended. */
  readonly ended: Promise<number | string>;
  readonly #child: ChildProcess;
  #hasEnded = false;

  /** Starts it, with variables besides those of its cell. */
  constructor({ command, cwd, env }: Cell, own: Readonly<Record<string, string>> = {}) {
    const [program, ...args] = command;
    this.#child = spawn(program!, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", ...env, ...own },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a group of its own, to end all of it
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => this.output += text);
    }
    this.ended = once(this.#child, "exit").then(([code, signal]) => {
      this.#hasEnded = true;
      return code ?? signal;
    });
  }

  /** Waits until it has printed something. */
  async printed(text: string): Promise<void> {
    // deno-lint-ignore require-await -- asynchronous for `until`
    const isOver = async () => this.#hasEnded || this.output.includes(text);
    await until(isOver, { what: `see ${text.trim()}`, timeout: TIMEOUT }).catch((error) => {
      throw new Error(`${error.message}: ${this.output}`);
    });
    if (!this.output.includes(text)) {
      throw new Error(`it ended with ${await this.ended} without "${text.trim()}": ${this.output}`);
    }
  }

  /** End, once it has. */
  async ending(): Promise<number | string> {
    // deno-lint-ignore require-await -- asynchronous for `until`
    await until(async () => this.#hasEnded, { what: "see it end", timeout: TIMEOUT }).catch(
      (error) => {
        throw new Error(`${error.message}: ${this.output}`);
      },
    );
    return await this.ended;
  }

  /** Asks it to end: not by the child's own method, which on Deno counts as its end. */
  stop(signal: "SIGTERM" | "SIGINT"): void {
    if (!this.#hasEnded) process.kill(this.#child.pid!, signal);
  }

  /** Ends it, with all that it has started. */
  kill(): void {
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}
