import { createHash } from "node:crypto";
import type { FileCount, Frequency } from "./text_counter.ts";

/** What all counts add up to. The order in which they come makes no difference. */
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

  /** Number of files that were added. */
  get files(): number {
    return this.#hashes.size;
  }

  /**
   * Adds a file. Should it come again it is ignored: brokers deliver a message at least
   * once, and now and then twice, so what an actor does must bear being done again.
   */
  add(count: FileCount): void {
    if (this.#hashes.has(count.path)) return;
    this.#hashes.set(count.path, count.sha256);
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
