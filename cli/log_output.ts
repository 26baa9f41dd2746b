import { closeSync, constants, fstatSync, openSync, write, writeSync } from "node:fs";

const STANDARD_ERROR = 2;
/** Bytes that wait for a reader that is slow; what comes on top is dropped. */
const MAX_BUFFERED = 2 ** 20;
/** Milliseconds between two attempts to write to a full pipe. */
const RETRY_INTERVAL = 20;
/** Milliseconds that a reader gets at the end for what is buffered. */
const FLUSH_TIMEOUT = 1_000;

/**
 * Bytes of one write. A pipe takes so many as a whole or not at all (PIPE_BUF); of a larger write
 * that a pipe takes a part of, Deno does not tell how much.
 */
const MAX_WRITE = 4_096;

const encoder = /* @__PURE__ */ new TextEncoder();

/**
 * The file, pipe or terminal that the log goes to. Writing never blocks the process: a reader
 * that stops reading must not keep the supervisor from its signals and its children.
 *
 * While the reader does not keep up, up to a megabyte waits in a buffer. Lines on top of that are
 * dropped, counted, and reported when the reader goes on.
 *
 * direct (writes at once) ─▶ full (buffers, tries again) ─▶ dropping ─▶ direct
 */
export class LogOutput {
  readonly #onDropped: (count: number) => string;
  #descriptor: number;
  /** True if writing to the descriptor may block, so that it takes a thread of the runtime. */
  readonly #mayBlock: boolean;
  #buffer: Uint8Array[] = [];
  #buffered = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWriting = false;
  #onEmpty: () => void = () => {};

  /**
   * Opens it.
   *
   * @param file The file to append to; `undefined` for the standard error.
   * @param onDropped Makes the line that reports how many lines were dropped.
   * @throws If the file cannot be opened for writing.
   */
  constructor(file: string | undefined, onDropped: (count: number) => string) {
    this.#onDropped = onDropped;
    const opened = file === undefined ? reopenStandardError() : openFile(file);
    this.#descriptor = opened ?? STANDARD_ERROR;
    this.#mayBlock = opened === undefined;
  }

  /** Writes a line, now or when the reader has room for it. */
  write(line: string): void {
    if (this.#buffered >= MAX_BUFFERED) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped > 0) this.#reportDropped();
    this.#append(line);
    if (this.#timer === undefined && !this.#isWriting) this.#drain();
  }

  /** Waits until everything is written, for a second at the most. */
  async flushed(): Promise<void> {
    if (this.#dropped > 0) this.#reportDropped();
    if (this.#buffer.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, FLUSH_TIMEOUT);
    await promise;
    clearTimeout(timer);
  }

  /** True if a write is under way that blocks a thread, which on Deno keeps the process from exiting. */
  get isBlocked(): boolean {
    return this.#isWriting;
  }

  /** Closes a file. What is still buffered is written first, as far as there is room. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#descriptor === STANDARD_ERROR) return;
    if (this.#buffer.length > 0) this.#drain();
    clearTimeout(this.#timer);
    closeSync(this.#descriptor);
  }

  #append(line: string): void {
    const bytes = encoder.encode(line);
    this.#buffer.push(bytes);
    this.#buffered += bytes.length;
  }

  #reportDropped(): void {
    const count = this.#dropped;
    this.#dropped = 0;
    this.#append(this.#onDropped(count));
  }

  #drain(): void {
    this.#timer = undefined;
    if (this.#mayBlock) return this.#drainInThread();
    while (this.#buffer.length > 0) {
      try {
        this.#wrote(writeSync(this.#descriptor, this.#buffer[0]!.subarray(0, MAX_WRITE)));
      } catch (error) {
        return this.#failed(error);
      }
    }
    this.#emptied();
  }

  /** One write at a time, which the runtime makes on another thread. */
  #drainInThread(): void {
    const [first] = this.#buffer;
    if (first === undefined) return this.#emptied();
    this.#isWriting = true;
    write(this.#descriptor, first, (error, written) => {
      this.#isWriting = false;
      if (error !== null && error !== undefined) return this.#failed(error);
      this.#wrote(written);
      this.#drainInThread();
    });
  }

  #wrote(count: number): void {
    const first = this.#buffer[0]!;
    this.#buffered -= count;
    if (count === first.length) this.#buffer.shift();
    else this.#buffer[0] = first.subarray(count);
  }

  /** A full pipe gets another try later; what has lost its reader is dropped. */
  #failed(error: unknown): void {
    if ((error as { code?: string }).code === "EAGAIN") {
      this.#timer = setTimeout(() => this.#drain(), RETRY_INTERVAL);
      return;
    }
    this.#buffer = [];
    this.#buffered = 0;
    this.#emptied();
  }

  #emptied(): void {
    if (this.#dropped > 0) {
      this.#reportDropped();
      return this.#drain();
    }
    this.#onEmpty();
  }
}

/**
 * The standard error once more, in non-blocking mode. The flag belongs to the open file, which
 * other processes share, so the one that was inherited must not be changed.
 *
 * Writing to a regular file does not wait for a reader. It stays as it was inherited: opened again
 * it would have a position of its own, and programs that share it (`{ a; b; } > log 2>&1`) would
 * overwrite each other's lines.
 *
 * @returns `undefined` for a socket, or where the system does not allow it.
 */
function reopenStandardError(): number | undefined {
  try {
    if (fstatSync(STANDARD_ERROR).isFile()) return STANDARD_ERROR;
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;
    return openSync("/proc/self/fd/2", flags);
  } catch {
    return undefined;
  }
}

/** A named pipe without a reader is an error (ENXIO) rather than a wait for one. */
function openFile(file: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  return openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o666);
}
