/**
 * What a worker process tells its supervisor: one line each on its standard error, a record
 * separator and JSON (RFC 7464), among whatever else the process prints there.
 *
 * Lines rather than a channel of its own: they are written before the call returns, so that a
 * process that dies has said what it had to say.
 *
 * @module
 */

import { writeSync } from "node:fs";
import type { LogLine } from "./log_line.ts";

/** A message that is being worked on. */
export interface RunningMessage {
  readonly messageId: string;
  readonly actor: string;
  readonly queue: string;
  /** Milliseconds for which it has been running, to a quarter of a second. */
  readonly runningFor: number;
}

/** What a worker process is doing. */
export interface WorkerStatus {
  /** Milliseconds since it started to work. */
  readonly uptime: number;
  readonly inFlight: number;
  readonly done: number;
  readonly failed: number;
  readonly retried: number;
  /** What has been running longest. */
  readonly oldest?: RunningMessage;
}

/** What the child tells. */
export type WireRecord =
  | ({ readonly type: "log" } & LogLine)
  /** It works. */
  | { readonly type: "ready"; readonly text: string; readonly forks: number }
  /** It cannot work, and ends. */
  | { readonly type: "fatal"; readonly text: string }
  /** Another one is to take its place; it finishes what it has and ends. */
  | { readonly type: "retiring"; readonly reason: string }
  | ({ readonly type: "status" } & WorkerStatus);

const SEPARATOR = "\x1e";
const encoder = new TextEncoder();
/** What is longer without a line break goes on as it is. */
const MAX_LINE = 2 ** 20;

/** Tells the supervisor. */
export function tell(record: WireRecord): void {
  writeAll(2, `${SEPARATOR}${JSON.stringify(record)}\n`);
}

/**
 * Writes a text as a whole, before it returns. What nobody reads any more is dropped.
 *
 * @param file The descriptor.
 * @param text What to write.
 */
export function writeAll(file: number, text: string): void {
  const bytes = encoder.encode(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(file, bytes, written);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") return;
      waitForReader();
    }
  }
}

/** A pipe that does not block is full: the only way to wait for its reader is to wait. */
function waitForReader(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/** Takes the output of a process apart into records and lines of text. */
export class LineReader {
  readonly #onRecord: (record: WireRecord) => void;
  readonly #onText: (line: string) => void;
  #rest = "";

  /**
   * @param onRecord Gets what the process tells.
   * @param onText Gets what else it prints, line by line without the line break.
   */
  constructor(onRecord: (record: WireRecord) => void, onText: (line: string) => void) {
    this.#onRecord = onRecord;
    this.#onText = onText;
  }

  /** Takes the next piece of output. */
  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#take(line);
    if (this.#rest.length > MAX_LINE) this.end();
  }

  /** Takes what has no line break behind it. */
  end(): void {
    if (this.#rest !== "") this.#take(this.#rest);
    this.#rest = "";
  }

  #take(line: string): void {
    const at = line.indexOf(SEPARATOR);
    const record = at === -1 ? undefined : parse(line.slice(at + 1));
    if (record === undefined) return this.#onText(line);
    if (at > 0) this.#onText(line.slice(0, at)); // it had printed something without a line break
    this.#onRecord(record);
  }
}

function parse(json: string): WireRecord | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined; // nothing of ours
  }
}
