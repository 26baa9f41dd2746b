import { isBundled } from "../platform/bundle.ts";
import { escapeJson, escapeLines, escapeText } from "../platform/escape.ts";
import { errorMessage, errorType, formatTraceback, shorten } from "../platform/thrown.ts";

/** Readable lines, or one JSON object a line. */
export type LogFormat = "text" | "json";

/** Level of a line. */
export type LogLevel = "trace" | "debug" | "info" | "warning" | "error" | "fatal";

/** Source of a line: `worker-1`, `supervisor`. */
export interface LogSource {
  readonly name: string;
  readonly pid: number;
}

/** One line of the log, on its way from a worker process to the supervisor, who writes it. */
export interface LogLine {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly level: LogLevel;
  /** Which part of the program it is from: `dramatiq.worker`. */
  readonly logger: string;
  readonly text: string;
  /** Properties of the line. JSON can carry all of it. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** Properties of every line about a message, in this order. */
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
 * Formats a line for people.
 *
 * A line about a message ends with the message's id, actor and queue, as far as its text does
 * not name them. Below a line about a message that went wrong stands where in the code that was;
 * errors of servers and files explain themselves.
 *
 * @param line What to format.
 * @param source Who it is from.
 * @param color Whether a terminal will show it.
 * @returns The line with its line break.
 */
export function formatText(line: LogLine, source: LogSource, color: boolean): string {
  const { level, logger, properties } = line;
  const paint = (code: string, text: string) => color ? `${code}${text}${PLAIN}` : text;
  const head = [
    paint(DIM, localTime(line.time)),
    paint(COLORS[level], level.toUpperCase().padEnd(7)),
    paint(DIM, `${source.name}[${source.pid}]${logger === "" ? "" : ` ${escapeText(logger)}`}:`),
  ];
  const missing = ABOUT_A_MESSAGE.filter((name) =>
    properties[name] !== undefined && !line.text.includes(String(properties[name]))
  );
  const tail = missing.map((name) => paint(DIM, escapeText(`${name}=${properties[name]}`)));
  const text = [...head, escapeText(line.text), ...tail].join(" ") + "\n";
  const { error } = properties as { error?: { stack?: string } };
  const isOfActor = properties["messageId"] !== undefined || level === "fatal";
  if (error?.stack === undefined || !isOfActor || !GRAVE.has(level)) return text;
  const frames = escapeLines(framesOfUser(error.stack)).replace(/^/gm, "    ");
  return text + paint(DIM, frames) + "\n";
}

/** Texts in the lines of a stack that are of the runtime, or of this library. */
let notOfUser: readonly string[] | undefined;

function findNotOfUser(): readonly string[] {
  const url: string | undefined = import.meta.url; // none in CommonJS
  if (url === undefined || isBundled()) return ["ext:", "node:"];
  const library = new URL("..", url);
  // In the package for npm all code is in chunks, and that of users is elsewhere.
  const isChunk = !/\/cli\/log_line\.[jt]s$/.test(url);
  const folders = (isChunk ? ["."] : ["core/", "worker/", "middleware/"]).flatMap((folder) => {
    const { href, pathname } = new URL(folder, library);
    return [href, pathname];
  });
  return ["ext:", "node:", ...folders];
}

/** A stack without the steps that led to the actor, if anything is left then. */
function framesOfUser(stack: string): string {
  const texts = notOfUser ??= findNotOfUser();
  const lines = stack.trimEnd().split("\n");
  const isFrame = (line: string) => /^\s+at /.test(line);
  const left = lines.filter((line) => !isFrame(line) || !texts.some((part) => line.includes(part)));
  return (left.some(isFrame) ? left : lines).join("\n");
}

/**
 * Formats a line for programs.
 *
 * @param line What to format.
 * @param source Who it is from.
 * @returns A JSON object with its line break.
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
 * Makes JSON of anything that a line may carry: what JSON has no form for becomes text, and
 * what goes round in circles ends.
 *
 * @param value What to make JSON of.
 * @returns What `JSON.stringify` takes.
 */
export function toJson(value: unknown): unknown {
  return plain(value, 0);
}

/** Levels, entries and characters that a line shows of a property. */
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

/** `2026-11-22 02:10:11.123`, by the clock on the wall. */
function localTime(time: number): string {
  const date = new Date(time);
  const two = (number: number) => String(number).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${day} ${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
