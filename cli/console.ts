import process from "node:process";
import { createInterface } from "node:readline/promises";
import { standardOutputFailure, writeAll } from "./output.ts";

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;

/** Output of a command, and input of its user. */
export interface Console {
  /** True if the user can be asked. */
  readonly isInteractive: boolean;
  /**
   * Columns of the terminal that shows the output, `Infinity` if it has no size; `undefined`
   * without one.
   */
  readonly columns: number | undefined;
  /** True once a result could not be written: the reader has closed the pipe, the disk is full. */
  readonly hasFailed?: boolean;
  /** Writes results. */
  print(text: string): void;
  /** Writes notes and progress, which are not results. */
  note(text: string): void;
  /** Asks the user for a line. */
  ask(question: string): Promise<string>;
}

/** The standard streams of this process. */
export const STANDARD_CONSOLE: Console = {
  get isInteractive() {
    return process.stdin.isTTY === true && process.stderr.isTTY === true;
  },
  get columns() {
    const { isTTY, columns } = process.stdout;
    return isTTY === true ? columns || Infinity : undefined; // one without a size says 0
  },
  get hasFailed() {
    return standardOutputFailure() !== undefined;
  },
  print: (text) => writeAll(STANDARD_OUTPUT, text),
  note: (text) => writeAll(STANDARD_ERROR, text),
  async ask(question) {
    const reader = createInterface({ input: process.stdin, output: process.stderr });
    const over = new Promise<string>((resolve) => reader.once("close", () => resolve("")));
    try {
      return await Promise.race([reader.question(question), over]);
    } finally {
      reader.close();
    }
  },
};
