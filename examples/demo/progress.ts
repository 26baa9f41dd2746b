/** The parts of `process.stdout` that a progress bar needs. */
export interface Terminal {
  write(text: string): unknown;
  /** Characters per line. */
  readonly columns?: number;
}

/** Milliseconds between two drawings: smooth to the eye, and no load. */
const INTERVAL = 100;
const WIDTH = 30;
/** Back to the beginning of the line, and wipe it. */
const CLEAR_LINE = "\r\x1b[K";

/** A progress bar on the last line of a terminal. */
export class ProgressBar {
  readonly #terminal: Terminal;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Draws nothing yet. */
  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /**
   * Draws it again and again until `stop`.
   *
   * @param total How many files there are.
   * @param done Tells how many of them are done.
   */
  start(total: number, done: () => number): void {
    const draw = () => this.#terminal.write(CLEAR_LINE + this.#line(done(), total));
    draw();
    this.#timer = setInterval(draw, INTERVAL);
  }

  /** Takes it away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#terminal.write(CLEAR_LINE);
  }

  #line(done: number, total: number): string {
    const share = total === 0 ? 1 : done / total;
    const filled = Math.floor(share * WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    const line = `${bar} ${percent}  ${done} of ${total} files`;
    // A line that wraps could not be wiped. 0 columns means that the terminal does not know.
    return line.slice(0, (this.#terminal.columns || 80) - 1);
  }
}
