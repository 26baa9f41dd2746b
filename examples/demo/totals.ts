import { createHash } from "node:crypto";
import type { CountedFile } from "./actors.ts";
import type { Frequency } from "./text_counter.ts";

/** Sum of all counts. The order in which they come makes no difference. */
export class Totals {
  /** Bytes of all files. */
  bytes = 0;
  /** Lines of all files. */
  lines = 0;
  /** Words of all files. */
  words = 0;
  /** Files with more different words than a message carries. */
  cutFiles = 0;
  readonly #hashes = new Map<string, string>();
  readonly #frequencies = new Map<string, number>();

  /** Files that are no text. */
  binaryFiles = 0;
  /** Attempts that failed before the one that counted. */
  retries = 0;
  /** Files that came once more, and were not added again. */
  repeated = 0;
  /** The process that counted the last file. */
  lastPid: number | undefined;
  readonly #seen = new Set<string>();

  /** Number of text files that were added. */
  get files(): number {
    return this.#hashes.size;
  }

  /**
   * Adds a file. Should it come again it is ignored: brokers deliver a message at least
   * once, and now and then twice, so what an actor does must bear being done again.
   */
  add({ path, count, retries, pid }: CountedFile): void {
    if (this.#seen.has(path)) return void (this.repeated += 1);
    this.#seen.add(path);
    this.retries += retries;
    this.lastPid = pid;
    if (count === null) return void (this.binaryFiles += 1);
    this.#hashes.set(path, count.sha256);
    this.bytes += count.bytes;
    this.lines += count.lines;
    this.words += count.words;
    if (count.isCut) this.cutFiles += 1;
    for (const [word, times] of count.frequencies) {
      this.#frequencies.set(word, (this.#frequencies.get(word) ?? 0) + times);
    }
  }

  /** The most frequent words; those that are equally frequent in the order of the alphabet. */
  mostFrequent(limit: number): Frequency[] {
    return [...this.#frequencies]
      .sort(([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1))
      .slice(0, limit);
  }

  /**
   * Twelve hexadecimal digits that change when any file does. The same as the first of
   * `sha256sum FILES | cut -c 1-64 | LC_ALL=C sort | sha256sum`.
   */
  digest(): string {
    const hash = createHash("sha256");
    for (const one of [...this.#hashes.values()].sort()) hash.update(`${one}\n`);
    return hash.digest("hex").slice(0, 12);
  }
}
