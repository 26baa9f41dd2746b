import { isBundled } from "../platform/bundle.ts";
import { escapeJson, escapeLines, escapeText } from "../platform/escape.ts";
import { errorMessage, errorType, formatTraceback, shorten } from "../platform/thrown.ts";

/** Readable lines, or one JSON object a line. */
export type LogFormat = "text" | "json";

/** Level of a log record. */
export type LogLevel = "trace" | "debug" | "info" | "warning" | "error" | "fatal";

/** Source of a line: `worker-1`, `supervisor`. */
export interface LogSource {
  readonly name: string;
  readonly pid: number;
}

/** A log record that a worker process sends to the supervisor, which writes it. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly level: LogLevel;
  /** Category, such as `dramatiq.worker`. */
  readonly logger: string;
  readonly text: string;
  /** Properties, which JSON can encode. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Properties of records about a message, in the order of output. */
const ABOUT_A_MESSAGE: readonly string[] = ["messageId", "actor", "queue"];

const GRAVE: ReadonlySet<LogLevel> = /* @__PURE__ */ new Set(["error", "fatal"]);

const COLORS: Readonly<Record<LogLevel, string>> = {
  trace: "\x1b[2m",
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warning: "\x1b[33m",
  error: "\x1b[31m",
  fatal: "\x1b[1;31m",
};
const DIM = "\x1b[2m";
const PLAIN = "\x1b[0m";

/**
 * Formats a record for people.
 *
 * A record about a message ends with the id, actor and queue of the message, unless its text
 * contains them. Errors of actors are followed by a stack; errors of servers and files need none.
 *
 * @param line The record.
 * @param source The process it is from.
 * @param color Whether to color it for a terminal.
 * @returns The line with its line break, and possibly a stack.
 */
export function formatText(line: LogLine, source: LogSource, color: boolean): string {
  const { level, logger, properties } = line;
  const paint = (code: string, text: string) => color ? `${code}${text}${PLAIN}` : text;
  const head = [
    paint(DIM, localTime(line.time)),
    paint(COLORS[level], level.toUpperCase().padEnd(7)),
    paint(DIM, `${source.name}[${source.pid}]${logger === "" ? "" : ` ${escapeText(logger)}`}:`),
  ];
  // Loggers of actors may use these names for values of any type.
  const missing = ABOUT_A_MESSAGE.filter((name) => {
    const value = properties[name];
    return (typeof value === "string" || typeof value === "number") &&
      !line.text.includes(String(value));
  });
  const tail = missing.map((name) => paint(DIM, escapeText(`${name}=${properties[name]}`)));
  const text = [...head, escapeText(line.text), ...tail].join(" ") + "\n";
  const stack = (properties["error"] as { stack?: unknown } | null | undefined)?.stack;
  const isOfActor = properties["messageId"] !== undefined || level === "fatal";
  if (typeof stack !== "string" || !isOfActor || !GRAVE.has(level)) return text;
  const frames = escapeLines(framesOfUser(stack)).replace(/^/gm, "    ");
  return text + paint(DIM, frames) + "\n";
}

/** Substrings of stack lines of the runtime and of this library. */
let notOfUser: readonly string[] | undefined;

function findNotOfUser(): readonly string[] {
  const url: string | undefined = import.meta.url; // none in CommonJS
  if (url === undefined || isBundled()) return ["ext:", "node:"];
  const library = new URL("..", url);
  // In the npm package all code is in chunks of one folder, which has no code of users.
  const isChunk = !/\/cli\/log_line\.[jt]s$/.test(url);
  const folders = (isChunk ? ["."] : ["core/", "worker/", "middleware/"]).flatMap((folder) => {
    const { href, pathname } = new URL(folder, library);
    return [href, pathname];
  });
  return ["ext:", "node:", ...folders];
}

/** A stack without the frames of the runtime and this library, unless no other frames are left. */
function framesOfUser(stack: string): string {
  const texts = notOfUser ??= findNotOfUser();
  const lines = stack.trimEnd().split("\n");
  const isFrame = (line: string) => /^\s+at /.test(line);
  const left = lines.filter((line) => !isFrame(line) || !texts.some((part) => line.includes(part)));
  return (left.some(isFrame) ? left : lines).join("\n");
}

/**
 * Formats a record for programs.
 *
 * @param line The record.
 * @param source The process it is from.
 * @returns A JSON object with a line break.
 */
export function formatJson(line: LogLine, source: LogSource): string {
  const own = {
    time: new Date(line.time).toISOString(),
    level: line.level,
    process: source.name,
    pid: source.pid,
    logger: line.logger,
    message: line.text,
  };
  return escapeJson(JSON.stringify({ ...own, ...line.properties, ...own })) + "\n";
}

/**
 * Converts a property to a JSON value. Values that JSON does not support become text; deep,
 * circular and large ones are cut.
 *
 * @param value Any value.
 * @returns A value for `JSON.stringify`.
 */
export function toJson(value: unknown): unknown {
  return plain(value, 0);
}

/** Maximum of nested levels, entries and characters of a property. */
const MAX_DEPTH = 6;
const MAX_ENTRIES = 100;
const MAX_TEXT = 16_384;

function plain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return shorten(value, MAX_TEXT);
    case "boolean":
    case "undefined":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "object":
      break;
    default:
      return shorten(String(value), MAX_TEXT);
  }
  if (value === null) return null;
  if (depth === MAX_DEPTH) return "…";
  try {
    return plainObject(value, depth);
  } catch (error) {
    return `(cannot be shown: ${errorMessage(error)})`; // a revoked proxy, a getter that throws
  }
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Error) {
    return {
      name: errorType(value),
      message: errorMessage(value),
      stack: formatTraceback(value).trimEnd(),
    };
  }
  if (Array.isArray(value)) {
    return value.slice(0, MAX_ENTRIES).map((one) => plain(one, depth + 1));
  }
  if ("toJSON" in value && typeof value.toJSON === "function") {
    return plain(value.toJSON(), depth + 1);
  }
  if (value instanceof Map || value instanceof Set) return plain([...value], depth);
  return Object.fromEntries(
    Object.entries(value).slice(0, MAX_ENTRIES).map((
      [name, one],
    ) => [shorten(name, MAX_TEXT), plain(one, depth + 1)]),
  );
}

/** Local time, such as `2026-11-22 02:10:11.123`. */
function localTime(time: number): string {
  const date = new Date(time);
  const two = (number: number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
