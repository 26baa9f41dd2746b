import { noteName, RUNG_KINDS, type RungKind, rungKindOn, rungNames } from "./rungs.ts";

/** Counts the messages on ladders without declaring a queue. */
export class LadderCounter {
  readonly #countOn: (queueName: string) => Promise<number>;
  readonly #version: () => readonly [number, number];
  /** Notes that do not exist, of the kind of rungs that is not used on this server. */
  readonly #missing: Set<string> = new Set();

  /**
   * @param countOn Counts the messages of a queue; 0 for one that does not exist.
   * @param version Returns the version of RabbitMQ; known after the first count.
   */
  constructor(
    countOn: (queueName: string) => Promise<number>,
    version: () => readonly [number, number],
  ) {
    this.#countOn = countOn;
    this.#version = version;
  }

  /** Counts the messages on the ladder of a queue. */
  async count(queueName: string): Promise<number> {
    let sum = 0;
    for (const kind of RUNG_KINDS) {
      if (!await this.#hasRungs(queueName, kind)) continue;
      for (const rung of rungNames(queueName, kind)) sum += await this.#countOn(rung);
    }
    return sum;
  }

  /**
   * True if there may be messages on rungs of a kind. A missing note of the unused kind is not asked
   * for again: a passive declaration of a queue that does not exist is an error in the server's log.
   */
  async #hasRungs(queueName: string, kind: RungKind): Promise<boolean> {
    const note = noteName(queueName, kind);
    if (this.#missing.has(note)) return false;
    if (await this.#countOn(note) > 0) return true;
    if (kind !== rungKindOn(this.#version())) this.#missing.add(note);
    return false;
  }
}
