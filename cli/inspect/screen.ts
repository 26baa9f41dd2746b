import process from "node:process";
import type { Console } from "../console.ts";

const OPEN = "\x1b[?1049h\x1b[?25l"; // the alternate screen, without a cursor
const CLOSE = "\x1b[?25h\x1b[?1049l";
/** Synchronized output: terminals that support it draw a frame as a whole. */
const BEGIN = "\x1b[?2026h";
const END = "\x1b[?2026l";
const CTRL_C = "\x03";

/** A terminal that shows frames in place, and is restored at the end. */
export class Screen {
  readonly #console: Console;
  readonly #keys: (data: Uint8Array) => void;
  readonly #restore: () => void;
  #isClosed = false;

  /**
   * Clears the screen.
   *
   * @param console The terminal.
   * @param keys `quit` is called when q or Ctrl-C is pressed, `hold` when p is.
   */
  constructor(console: Console, { quit, hold }: { quit(): void; hold(): void }) {
    this.#console = console;
    this.#restore = () => this.close();
    this.#keys = (data) => {
      const keys = new TextDecoder().decode(data);
      if (keys.includes("q") || keys.includes(CTRL_C)) quit();
      if (keys.includes("p")) hold();
    };
    if (process.stdin.isTTY === true) {
      process.stdin.setRawMode(true);
      process.stdin.on("data", this.#keys).resume();
    }
    process.on("exit", this.#restore);
    console.print(OPEN);
  }

  /** Replaces the frame. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\x1b[K`).join("\r\n");
    this.#console.print(`${BEGIN}\x1b[H${text}\x1b[J${END}`);
  }

  /** Restores the terminal. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    process.off("exit", this.#restore);
    if (process.stdin.isTTY === true) {
      process.stdin.off("data", this.#keys).pause();
      process.stdin.setRawMode(false);
    }
    this.#console.print(CLOSE);
  }
}
