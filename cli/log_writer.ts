import process from "node:process";
import { errorMessage } from "../platform/thrown.ts";
import {
  formatJson,
  formatText,
  type LogFormat,
  type LogLine,
  type LogSource,
} from "./log_line.ts";
import { LogOutput } from "./log_output.ts";
import { UsageError } from "./usage_error.ts";

/** Options for {@linkcode LogWriter}. */
export interface LogWriterOptions {
  /** File to append to; `undefined` for the standard error. */
  file: string | undefined;
  format: LogFormat;
  /** True to color it for a terminal. */
  color: boolean;
  /** True to write fatal records only. */
  isSilent: boolean;
}

/** The only writer of the log, so that lines of several processes do not mix. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #output: LogOutput;

  /**
   * Opens the file.
   *
   * @param options The file and the format.
   * @throws {UsageError} If the file cannot be written to.
   */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#output = this.#open();
  }

  /** True while a write blocks a thread of the runtime, see {@linkcode LogOutput}. */
  get isBlocked(): boolean {
    return this.#output.isBlocked;
  }

  /** Writes a line. */
  write(line: LogLine, source: LogSource): void {
    if (this.#options.isSilent && line.level !== "fatal") return;
    this.#output.write(this.#format(line, source));
  }

  /**
   * Writes a line that an actor has printed. In a JSON log, a line that is a JSON object is kept,
   * with our `process` and `pid` in place of its own; any other becomes the message of a record.
   *
   * @param text The line.
   * @param stream The stream it was printed to.
   * @param source The process that printed it.
   */
  writePrinted(text: string, stream: "stdout" | "stderr", source: LogSource): void {
    if (this.#options.format === "text") return this.#output.write(`${text}\n`);
    const object = parseObject(text);
    if (object !== undefined) return this.#output.write(withSource(text, object, source));
    const line: LogLine = { time: Date.now(), level: "info", logger: stream, text, properties: {} };
    this.#output.write(formatJson(line, source));
  }

  /**
   * Opens the file again, for log rotation.
   *
   * @throws {UsageError} If it cannot be opened. Then the old file stays in use.
   */
  reopen(): void {
    if (this.#options.file === undefined) return;
    const previous = this.#output;
    this.#output = this.#open();
    this.#output.addDropped(previous.close());
  }

  /** Waits until all lines are written, for at most a second. */
  flushed(): Promise<void> {
    return this.#output.flushed();
  }

  #open(): LogOutput {
    const { file } = this.#options;
    try {
      return new LogOutput(file, (count) => this.#droppedLine(count));
    } catch (error) {
      throw new UsageError(`Cannot write the log to ${file}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  #format(line: LogLine, source: LogSource): string {
    const { format, color } = this.#options;
    return format === "json" ? formatJson(line, source) : formatText(line, source, color);
  }

  #droppedLine(count: number): string {
    const text = `Dropped ${count} log lines that could not be written, or that were not read`;
    const properties = { droppedLines: count };
    return this.#format(
      { time: Date.now(), level: "warning", logger: "dramatiq.supervisor", text, properties },
      { name: "supervisor", pid: process.pid },
    );
  }
}

/** Names of the members that are added to the JSON objects of actors. */
const ADDED: readonly string[] = ["process", "pid"];

/** Escapes in strings, the ends of strings, and the characters around values. */
const TOKEN = /\\.|["[\]{},]/g;

/**
 * Appends the source to a JSON object. Its own `process` and `pid`, which loggers such as pino
 * write, are removed: of two members with one name, some parsers read the first.
 */
function withSource(text: string, object: object, { name, pid }: LogSource): string {
  // JSON.parse may confuse keys with escapes (nodejs/node#63785).
  const isPlain = !ADDED.some((one) => Object.hasOwn(object, one)) && !text.includes("\\u00");
  const body = isPlain ? text.slice(1, -1).trim() : otherMembers(text);
  const source = `"process":${JSON.stringify(name)},"pid":${pid}`;
  return `{${body === "" ? "" : `${body},`}${source}}\n`;
}

/** The text of all other members of an object, unchanged: numbers can have more digits than ours. */
function otherMembers(object: string): string {
  const kept: string[] = [];
  let depth = 0;
  let start = 1;
  let quote = -1; // where a string starts
  let name: string | undefined;
  for (const { 0: token, index } of object.matchAll(TOKEN)) {
    if (token === '"') {
      if (quote >= 0 && depth === 1) name ??= JSON.parse(object.slice(quote, index + 1)) as string;
      quote = quote < 0 ? index : -1;
      continue;
    }
    if (quote >= 0) continue;
    if (token === "{" || token === "[") depth++;
    else if (token !== ",") depth--;
    if (depth > 1 || depth === 1 && token !== ",") continue;
    if (!ADDED.includes(name as string)) kept.push(object.slice(start, index).trim());
    start = index + 1;
    name = undefined;
  }
  return kept.join(",");
}

function parseObject(text: string): object | undefined {
  if (!text.startsWith("{") || !text.endsWith("}")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
