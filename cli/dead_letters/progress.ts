import { writeAll } from "../output.ts";

const STANDARD_ERROR = 2;
/** Milliseconds between two looks of the same bar, and before the first: what is quick needs none. */
const INTERVAL = 100;
const WIDTH = 30;

/** A bar that shows how far a long work has got; on a terminal only. */
export class Progress {
  readonly #isShown: boolean;
  #writtenAt: number = performance.now();
  #hasWritten = false;

  /**
   * @param isShown Whether there is a terminal to show it on.
   */
  constructor(isShown: boolean) {
    this.#isShown = isShown;
  }

  /**
   * Shows it, now and then.
   *
   * @param label What is worked on.
   * @param done How much of it is done.
   * @param total How much there is, if that is known.
   */
  show(label: string, done: number, total: number | undefined): void {
    if (!this.#isShown || performance.now() - this.#writtenAt < INTERVAL) return;
    this.#writtenAt = performance.now();
    this.#hasWritten = true;
    writeAll(STANDARD_ERROR, `\r\x1b[K${label} ${bar(done, total)}`);
  }

  /** Takes it away. */
  clear(): void {
    if (this.#hasWritten) writeAll(STANDARD_ERROR, "\r\x1b[K");
    this.#hasWritten = false;
  }
}

/** @returns How far it has got, as text: `[######------] 1,200 of 2,400`. */
export function bar(done: number, total: number | undefined): string {
  const count = done.toLocaleString("en-US");
  if (total === undefined || total < done) return count;
  const full = total === 0 ? WIDTH : Math.floor(WIDTH * done / total);
  const drawn = "#".repeat(full) + "-".repeat(WIDTH - full);
  return `[${drawn}] ${count} of ${total.toLocaleString("en-US")}`;
}
