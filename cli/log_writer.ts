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
  /** File to add to; the standard error when there is none. */
  file: string | undefined;
  format: LogFormat;
  /** True if a terminal shows it in colors. */
  color: boolean;
  /** Keeps silent but for what is fatal. */
  isSilent: boolean;
}

/** Writes the log: the only place that does, so that no two lines mix. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #output: LogOutput;

  /**
   * Opens the file.
   *
   * @param options Where to write, and how.
   * @throws {UsageError} If the file cannot be written to.
   */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.#output = this.#open();
  }

  /** True if a write blocks a thread of the runtime: see {@linkcode LogOutput}. */
  get isBlocked(): boolean {
    return this.#output.isBlocked;
  }

  /** Writes a line. */
  write(line: LogLine, source: LogSource): void {
    if (this.#options.isSilent && line.level !== "fatal") return;
    this.#output.write(this.#format(line, source));
  }

  /**
   * Writes a line that an actor printed. In a JSON log, one that is a JSON object already stays
   * as it is but for `process` and `pid`, which tell who printed it; any other becomes one.
   *
   * @param text The line.
   * @param stream Where it was printed.
   * @param source The process that printed it.
   */
  writePrinted(text: string, stream: "stdout" | "stderr", source: LogSource): void {
    if (this.#options.format === "text") return this.#output.write(`${text}\n`);
    if (isJsonObject(text)) return this.#output.write(withSource(text, source));
    const line: LogLine = { time: Date.now(), level: "info", logger: stream, text, properties: {} };
    this.#output.write(formatJson(line, source));
  }

  /**
   * Opens the file again, which may have been renamed meanwhile.
   *
   * @throws {UsageError} If it cannot be written to. The file that is open stays open then.
   */
  reopen(): void {
    if (this.#options.file === undefined) return;
    const previous = this.#output;
    this.#output = this.#open();
    previous.close();
  }

  /** Waits until everything is written, for a second at the most. */
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
    const text = `Dropped ${count} log lines while the reader of the log did not read`;
    const properties = { droppedLines: count };
    return this.#format(
      { time: Date.now(), level: "warning", logger: "dramatiq.supervisor", text, properties },
      { name: "supervisor", pid: process.pid },
    );
  }
}

/** A JSON object with its source as the last members: of two with one name, the last one counts. */
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
