import { closeSync, openSync } from "node:fs";
import { errorMessage } from "../core/thrown.ts";
import {
  formatJson,
  formatText,
  type LogFormat,
  type LogLine,
  type LogSource,
} from "./log_line.ts";
import { UsageError } from "./usage_error.ts";
import { writeAll } from "./wire.ts";

const STANDARD_ERROR = 2;

/** Options for {@linkcode LogWriter}. */
export interface LogWriterOptions {
  /** File to add to; the standard error when there is none. */
  file: string | undefined;
  format: LogFormat;
  /** Whether a terminal shows it in colors. */
  color: boolean;
  /** Keeps silent but for what is fatal. */
  isSilent: boolean;
}

/** Writes the log: the only place that does, so that no two lines mix. */
export class LogWriter {
  readonly #options: LogWriterOptions;
  #descriptor: number = STANDARD_ERROR;

  /**
   * Opens the file.
   *
   * @param options Where to write, and how.
   * @throws {UsageError} If the file cannot be written to.
   */
  constructor(options: LogWriterOptions) {
    this.#options = options;
    this.reopen();
  }

  /** Writes a line. */
  write(line: LogLine, source: LogSource): void {
    const { format, color, isSilent } = this.#options;
    if (isSilent && line.level !== "fatal") return;
    writeAll(
      this.#descriptor,
      format === "json" ? formatJson(line, source) : formatText(line, source, color),
    );
  }

  /**
   * Writes what actors print. In a JSON log a line that is a JSON object already stays as
   * it is; any other becomes one.
   *
   * @param text A line of it.
   * @param stream Where it was printed.
   * @param source Who printed it.
   */
  writePrinted(text: string, stream: "stdout" | "stderr", source: LogSource): void {
    if (this.#options.format === "text" || isJsonObject(text)) {
      return writeAll(this.#descriptor, `${text}\n`);
    }
    const line: LogLine = { time: Date.now(), level: "info", logger: stream, text, properties: {} };
    writeAll(this.#descriptor, formatJson(line, source));
  }

  /**
   * Opens the file again, which may have been renamed meanwhile.
   *
   * @throws {UsageError} If it cannot be written to. The file that is open stays open then.
   */
  reopen(): void {
    const { file } = this.#options;
    if (file === undefined) return;
    try {
      const previous = this.#descriptor;
      this.#descriptor = openSync(file, "a");
      if (previous !== STANDARD_ERROR) closeSync(previous);
    } catch (error) {
      throw new UsageError(`Cannot write the log to ${file}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }
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
