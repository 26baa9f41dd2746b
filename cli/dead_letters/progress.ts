import { writeAll } from "../output.ts";

const STANDARD_ERROR = 2;
/** Milliseconds between two updates, and before the first: quick commands show no bar. */
const INTERVAL = 100;
const WIDTH = 30;

/** A progress bar on the standard error. */
export class Progress {
  readonly #isShown: boolean;
  #writtenAt: number = performance.now();
  #hasWritten = false;

  /**
   * @param isShown Whether to show it: only on a terminal.
   */
  constructor(isShown: boolean) {
    this.#isShown = isShown;
  }

  /**
   * Updates the bar, at most once per interval.
   *
   * @param label The text before the bar.
   * @param done Number of finished items.
   * @param total Number of all items, if known.
   */
  show(label: string, done: number, total: number | undefined): void {
    if (!this.#isShown || performance.now() - this.#writtenAt < INTERVAL) return;
    this.#writtenAt = performance.now();
    this.#hasWritten = true;
    writeAll(STANDARD_ERROR, `\r\x1b[K${label} ${bar(done, total)}`);
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#hasWritten) writeAll(STANDARD_ERROR, "\r\x1b[K");
    this.#hasWritten = false;
  }
}

/** @returns The bar as text, such as `[######------] 1,200 of 2,400`. */
export function bar(done: number, total: number | undefined): string {
  const count = done.toLocaleString("en-US");
  if (total === undefined || total < done) return count;
  const full = total === 0 ? WIDTH : Math.floor(WIDTH * done / total);
  const drawn = "#".repeat(full) + "-".repeat(WIDTH - full);
  return `[${drawn}] ${count} of ${total.toLocaleString("en-US")}`;
}
