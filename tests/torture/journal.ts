import { closeSync, openSync, readSync, writeSync } from "node:fs";

/** Entry that a process notes. Times are in milliseconds since the epoch. */
export type Entry =
  /** A `send` has resolved, or rejected with an error of that class. */
  | { kind: "sent" | "rejected"; number: number; from: number; at: number; error?: string }
  /** An actor has begun; `run` is unique in its process, `delivery` is the broker's id, if any. */
  | { kind: "begun"; number: number; at: number; run: number; attempt: number; delivery: string }
  /** A delayed message is due, and is being put on its queue. */
  | { kind: "moving"; number: number; at: number; attempt: number }
  /** That run is over, as it should or with an error on purpose. */
  | { kind: "done" | "failed"; number: number; at: number; run: number }
  /** The process works, or has ended in good order. */
  | { kind: "ready" | "closed"; at: number };

/**
 * A file to which one process adds what it did. An entry is with the operating system when
 * `write` returns: a SIGKILL cannot take it back.
 */
export class Journal {
  readonly #file: number;

  /** @param path The file; it is created. */
  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  /** Adds entries. */
  write(...entries: Entry[]): void {
    if (entries.length === 0) return;
    writeSync(this.#file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  }
}

const CHUNK = 2 ** 18;

/** Reads a journal while it is being written. */
export class JournalReader {
  readonly #file: number;
  readonly #buffer: Uint8Array = new Uint8Array(CHUNK);
  readonly #decoder: TextDecoder = new TextDecoder();
  /** The beginning of a line whose end is not there yet. */
  #rest = "";
  #position = 0;

  /** @param path The file; it is created if the process has not come to that yet. */
  constructor(path: string) {
    this.#file = openSync(path, "a+");
  }

  /** @returns What was added since the last call. */
  read(): Entry[] {
    const entries: Entry[] = [];
    for (;;) {
      const length = readSync(this.#file, this.#buffer, 0, CHUNK, this.#position);
      if (length === 0) return entries;
      this.#position += length;
      const part = this.#buffer.subarray(0, length);
      const lines = (this.#rest + this.#decoder.decode(part, { stream: true })).split("\n");
      this.#rest = lines.pop()!;
      for (const line of lines) entries.push(JSON.parse(line));
    }
  }

  /** Lets go of the file. */
  close(): void {
    closeSync(this.#file);
  }
}
