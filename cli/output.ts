import { writeSync } from "node:fs";

const encoder = /* @__PURE__ */ new TextEncoder();

const STANDARD_OUTPUT = 1;
let outputFailure: Error | undefined;

/** Returns the first error of writing to the standard output, such as `EPIPE` of a closed pipe. */
export function standardOutputFailure(): Error | undefined {
  return outputFailure;
}

/**
 * Writes a text as a whole, before it returns. If it cannot be written, the command goes on: it may
 * be in the middle of changing messages. {@linkcode standardOutputFailure} has the reason.
 *
 * @param file The descriptor.
 * @param text The text.
 */
export function writeAll(file: number, text: string): void {
  const bytes = encoder.encode(text);
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(file, bytes, written);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") {
        if (file === STANDARD_OUTPUT) outputFailure ??= error as Error;
        return;
      }
      waitForReader();
    }
  }
}

/** Blocks for a millisecond: there is no synchronous way to wait for a full non-blocking pipe. */
function waitForReader(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/** Maximum of characters of a line; a longer one is split. */
const MAX_LINE = 2 ** 20;

/** Splits the output of a process into lines. */
export class LineReader {
  readonly #onLine: (line: string) => void;
  #rest = "";

  /** @param onLine Called with each line, without its line break. */
  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** Reads the next chunk. */
  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#onLine(line);
    if (this.#rest.length > MAX_LINE) this.end();
  }

  /** Ends the last line, which has no line break. */
  end(): void {
    if (this.#rest !== "") this.#onLine(this.#rest);
    this.#rest = "";
  }
}
