import { closeSync, constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { runtime } from "../platform/runtime.ts";

const STANDARD_ERROR = 2;
/** Maximum of buffered bytes, while the reader is slow. */
const MAX_BUFFERED = 2 ** 20;
/** Milliseconds between two attempts to write to a full pipe. */
const RETRY_INTERVAL = 20;
/** Milliseconds to wait at the end until the buffer is written. */
const FLUSH_TIMEOUT = 1_000;

/**
 * Maximum of bytes per write. Up to this size (PIPE_BUF) a write to a pipe is atomic; Deno does not
 * report the length of a partial write.
 */
const MAX_WRITE = 4_096;

const LINE_FEED = 0x0a;

const encoder = /* @__PURE__ */ new TextEncoder();

/**
 * The file, pipe or terminal of the log. Writing never blocks the process: the supervisor must
 * handle signals and children even if the reader of the log is stuck.
 *
 * While the reader is slow, up to a megabyte is buffered. Lines beyond that are dropped, and so are
 * lines that cannot be written, to a full disk or a closed pipe. Their number is logged once lines
 * can be written again.
 *
 * direct (writes at once) ─▶ full (buffers and retries) ─▶ dropping ─▶ direct
 */
export class LogOutput {
  readonly #onDropped: (count: number) => string;
  #descriptor: number;
  /** True if writes may block, so that they need a thread of the runtime. */
  readonly #mayBlock: boolean;
  #buffer: Uint8Array[] = [];
  #buffered = 0;
  #dropped = 0;
  /** Dropped lines that a line in the buffer reports. */
  #reporting = 0;
  /** True if the last write ended within a line. */
  #isWithinLine = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWriting = false;
  #onEmpty: () => void = () => {};

  /**
   * Opens it.
   *
   * @param file The file to append to; `undefined` for the standard error.
   * @param onDropped Makes a line about a number of dropped lines.
   * @throws If the file cannot be opened for writing.
   */
  constructor(file: string | undefined, onDropped: (count: number) => string) {
    this.#onDropped = onDropped;
    const opened = file === undefined ? reopenStandardError() : openFile(file);
    this.#descriptor = opened ?? STANDARD_ERROR;
    this.#mayBlock = opened === undefined;
  }

  /** Writes or buffers a line, or drops it if the buffer is full. */
  write(line: string): void {
    if (this.#buffered >= MAX_BUFFERED) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped > 0) this.#reportDropped();
    this.#append(line);
    if (this.#timer === undefined && !this.#isWriting) this.#drain();
  }

  /** Waits until the buffer is written, for at most a second. */
  async flushed(): Promise<void> {
    if (this.#dropped > 0) {
      this.#reportDropped();
      if (this.#timer === undefined && !this.#isWriting) this.#drain();
    }
    if (this.#buffer.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const timer = setTimeout(resolve, FLUSH_TIMEOUT);
    await promise;
    clearTimeout(timer);
  }

  /** True while a write blocks a thread of the runtime; on Deno the process cannot exit then. */
  get isBlocked(): boolean {
    return this.#isWriting;
  }

  /**
   * Closes a file, after an attempt to write the buffer.
   *
   * @returns The number of dropped lines that it has not reported.
   */
  close(): number {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#descriptor === STANDARD_ERROR) return 0;
    if (this.#buffer.length > 0) this.#drain();
    clearTimeout(this.#timer);
    closeSync(this.#descriptor);
    this.#dropBuffer();
    return this.#dropped;
  }

  /** Counts lines that another output has dropped, to report them with the next line. */
  addDropped(count: number): void {
    this.#dropped += count;
  }

  #append(line: string): void {
    const isCut = this.#isWithinLine && this.#buffer.length === 0;
    const bytes = encoder.encode(isCut ? `\n${line}` : line);
    this.#buffer.push(bytes);
    this.#buffered += bytes.length;
  }

  #reportDropped(): void {
    const count = this.#dropped;
    this.#dropped = 0;
    this.#reporting += count;
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

  /** Writes one chunk at a time on a thread of the runtime. */
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
    if (count > 0) this.#isWithinLine = first[count - 1] !== LINE_FEED;
    this.#buffered -= count;
    if (count === first.length) this.#buffer.shift();
    else this.#buffer[0] = first.subarray(count);
  }

  /**
   * Retries later if the pipe is full. Otherwise the disk is full or the reader is gone: the buffer
   * is dropped, and the next line is an attempt to write again.
   */
  #failed(error: unknown): void {
    if ((error as { code?: string }).code === "EAGAIN") {
      this.#timer = setTimeout(() => this.#drain(), RETRY_INTERVAL);
      return;
    }
    // A failed write to a file on Deno may have written a part without saying so.
    if (runtime === "deno" && isFile(this.#descriptor)) this.#isWithinLine = true;
    this.#dropBuffer();
    this.#onEmpty();
  }

  #dropBuffer(): void {
    const reports = this.#reporting > 0 ? 1 : 0;
    this.#dropped += this.#buffer.length - reports + this.#reporting;
    this.#reporting = 0;
    this.#buffer = [];
    this.#buffered = 0;
  }

  #emptied(): void {
    this.#reporting = 0;
    if (this.#dropped > 0) {
      this.#reportDropped();
      return this.#drain();
    }
    this.#onEmpty();
  }
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false; // closed
  }
}

/**
 * Opens the standard error again, in non-blocking mode. The inherited one must not be changed to
 * that mode: the flag belongs to the open file, which other processes share.
 *
 * A regular file is used as inherited, as writing to it never blocks. Opened again it would have a
 * position of its own, and programs that share it (`{ a; b; } > log 2>&1`) would overwrite each
 * other's lines.
 *
 * @returns `undefined` for a socket, or if the system does not support it.
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

/**
 * Opens a log file. Non-blocking, so that a named pipe without a reader fails (ENXIO) and does not
 * hang.
 */
function openFile(file: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  return openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o666);
}
