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
   * with `process` and `pid` added; any other becomes the message of a record.
   *
   * @param text The line.
   * @param stream The stream it was printed to.
   * @param source The process that printed it.
   */
  writePrinted(text: string, stream: "stdout" | "stderr", source: LogSource): void {
    if (this.#options.format === "text") return this.#output.write(`${text}\n`);
    if (isJsonObject(text)) return this.#output.write(withSource(text, source));
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

/** Appends the source to a JSON object: the last of several members with one name counts. */
function withSource(object: string, { name, pid }: LogSource): string {
  const body = object.slice(1, -1).trim();
  const source = `"process":${JSON.stringify(name)},"pid":${pid}`;
  return `{${body === "" ? "" : `${body},`}${source}}\n`;
}

function isJsonObject(text: string): boolean {
  if (!text.startsWith("{") || !text.endsWith("}")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
