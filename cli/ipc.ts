/**
 * Control records from a worker process to its supervisor: one JSON object a line, on a separate
 * pipe, so that nothing that actors print can be taken for a record.
 *
 * A pipe, not the runtimes' IPC channel: writes are synchronous, so no record is lost when the
 * process dies right after.
 *
 * @module
 */

import type { RunningFor } from "../worker/health_report.ts";
import type { LogLevel, LogLine } from "./log_line.ts";
import { writeAll } from "./output.ts";

/** File descriptor of the pipe in a worker process. */
export const CONTROL_FD = 3;

/** Status of a worker process. */
export interface WorkerStatus {
  /** Milliseconds since it started to work. */
  readonly uptime: number;
  readonly inFlight: number;
  readonly done: number;
  readonly failed: number;
  readonly retried: number;
  /** The message that has been running longest, with a precision of 250 ms. */
  readonly oldest?: RunningFor;
  readonly state: "starting" | "working" | "quiet" | "stopping";
  /** Number of messages that it runs at once. */
  readonly slots: number;
  /** Milliseconds since its broker last answered; 0 while it does. */
  readonly brokerSilentFor: number;
}

/** A control record. */
export type IpcRecord =
  | ({ readonly type: "log" } & LogLine)
  /** The process has started to work. */
  | { readonly type: "ready"; readonly text: string; readonly forks: number }
  /** The process cannot work, and ends. */
  | { readonly type: "fatal"; readonly text: string }
  /** The process requests a replacement, finishes its running messages and ends. */
  | { readonly type: "retiring"; readonly reason: string; readonly level?: LogLevel }
  | ({ readonly type: "status" } & WorkerStatus);

/** Maximum of characters of a record; longer ones are invalid. */
const MAX_RECORD = 2 ** 24;
/** Maximum of nested levels of a record: the supervisor walks it recursively to write it. */
const MAX_LEVELS = 16;
/** Forks in a valid record are fewer than this. */
const MAX_FORKS = 1_000;

/** Sends a record to the supervisor. */
export function sendRecord(record: IpcRecord): void {
  writeAll(CONTROL_FD, `${JSON.stringify(record)}\n`);
}

/** Parses the data of a control pipe. */
export class RecordReader {
  readonly #onRecord: (record: IpcRecord) => void;
  readonly #onInvalid: (line: string) => void;
  #rest = "";
  /** True while the rest of a too long line is skipped. */
  #isSkipping = false;

  /**
   * @param onRecord Called with each record.
   * @param onInvalid Called with each line that is not a record.
   */
  constructor(onRecord: (record: IpcRecord) => void, onInvalid: (line: string) => void) {
    this.#onRecord = onRecord;
    this.#onInvalid = onInvalid;
  }

  /** Parses the next chunk. */
  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#take(line);
    if (this.#rest.length <= MAX_RECORD) return;
    if (!this.#isSkipping) this.#onInvalid(this.#rest);
    this.#isSkipping = true;
    this.#rest = "";
  }

  #take(line: string): void {
    if (this.#isSkipping) {
      this.#isSkipping = false;
      return;
    }
    const record = parse(line);
    if (record === undefined) this.#onInvalid(line);
    else this.#onRecord(record);
  }
}

function parse(json: string): IpcRecord | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

type Shape = Readonly<Record<string, (value: unknown) => boolean>>;

const isText = (value: unknown) => typeof value === "string";
const isCount = (value: unknown) => typeof value === "number" && value >= 0;
const isObject = (value: unknown) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const LEVELS: Readonly<Record<LogLevel, true>> = {
  trace: true,
  debug: true,
  info: true,
  warning: true,
  error: true,
  fatal: true,
};

const isLevel = (value: unknown) => isText(value) && Object.hasOwn(LEVELS, value as string);

const STATES: readonly unknown[] = ["starting", "working", "quiet", "stopping"];

const OLDEST: Shape = { messageId: isText, actor: isText, queue: isText, runningFor: isCount };

const SHAPES: ReadonlyMap<unknown, Shape> = /* @__PURE__ */ new Map<unknown, Shape>([
  ["log", {
    time: isTime,
    level: isLevel,
    logger: isText,
    text: isText,
    properties: isObject,
  }],
  ["ready", {
    text: isText,
    forks: (value) =>
      Number.isSafeInteger(value) && isCount(value) && (value as number) < MAX_FORKS,
  }],
  ["fatal", { text: isText }],
  ["retiring", { reason: isText, level: (value) => value === undefined || isLevel(value) }],
  ["status", {
    uptime: isCount,
    inFlight: isCount,
    done: isCount,
    failed: isCount,
    retried: isCount,
    oldest: (value) => value === undefined || hasShape(value, OLDEST),
    state: (value) => STATES.includes(value),
    slots: isCount,
    brokerSilentFor: isCount,
  }],
]);

function isRecord(value: unknown): value is IpcRecord {
  if (!isObject(value)) return false;
  const shape = SHAPES.get((value as { type?: unknown }).type);
  return shape !== undefined && hasShape(value, shape) && isShallow(value, MAX_LEVELS);
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((one) => isShallow(one, levels - 1));
}

function hasShape(value: unknown, shape: Shape): boolean {
  return isObject(value) &&
    Object.entries(shape).every(([name, isRight]) =>
      isRight(Object.hasOwn(value as object, name) ? (value as never)[name] : undefined)
    );
}

/** True for a number that is valid as a `Date`. */
function isTime(value: unknown): boolean {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}
