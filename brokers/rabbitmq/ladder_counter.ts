import { noteName, RUNG_KINDS, type RungKind, rungKindOn, rungNames } from "./rungs.ts";

/** Counts what is on ladders without declaring any queue. */
export class LadderCounter {
  readonly #countOn: (queueName: string) => Promise<number>;
  readonly #version: () => readonly [number, number];
  /** Notes that were not there, of rungs of another kind than the server is given. */
  readonly #missing: Set<string> = new Set();

  /**
   * @param countOn Counts the messages of a queue; 0 for one that does not exist.
   * @param version Tells the version of RabbitMQ once something was counted.
   */
  constructor(
    countOn: (queueName: string) => Promise<number>,
    version: () => readonly [number, number],
  ) {
    this.#countOn = countOn;
    this.#version = version;
  }

  /** Counts what is on the ladder of a queue. */
  async count(queueName: string): Promise<number> {
    let sum = 0;
    for (const kind of RUNG_KINDS) {
      if (!await this.#hasRungs(queueName, kind)) continue;
      for (const rung of rungNames(queueName, kind)) sum += await this.#countOn(rung);
    }
    return sum;
  }

  /**
   * True if something may be on rungs of a kind. Those of the other kind are not looked for again:
   * looking for a queue that does not exist is an error in the log of the server.
   */
  async #hasRungs(queueName: string, kind: RungKind): Promise<boolean> {
    const note = noteName(queueName, kind);
    if (this.#missing.has(note)) return false;
    if (await this.#countOn(note) > 0) return true;
    if (kind !== rungKindOn(this.#version())) this.#missing.add(note);
    return false;
  }
}
