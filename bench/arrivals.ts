/** Counts how often each of some messages, known by a number, has been seen. */
export class Arrivals {
  /** Resolves when as many have been seen as there are messages. */
  readonly complete: Promise<void>;
  readonly #counts: Uint8Array;
  #strange = 0;
  #seen = 0;
  #finish: () => void = () => {};

  /** @param messages How many there are, numbered from 0. */
  constructor(messages: number) {
    this.#counts = new Uint8Array(messages);
    this.complete = new Promise((resolve) => this.#finish = resolve);
  }

  /** Counts one. */
  add(index: number): void {
    const count = this.#counts[index];
    if (count === undefined) this.#strange += 1;
    else if (count < 255) this.#counts[index] = count + 1;
    this.#seen += 1;
    if (this.#seen === this.#counts.length) this.#finish();
  }

  /** Problem, or `undefined` if each message was seen exactly once. */
  problem(): string | undefined {
    const missing = this.#counts.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
    const repeated = this.#counts.reduce((sum, count) => sum + (count > 1 ? 1 : 0), 0);
    if (missing + repeated + this.#strange === 0) return undefined;
    return `of ${this.#counts.length} messages ${missing} are missing, ` +
      `${repeated} came more than once and ${this.#strange} are not known`;
  }
}
