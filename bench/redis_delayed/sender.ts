import { setTimeout as delay } from "node:timers/promises";
import { actor, type Message, type RedisBroker } from "../../mod.ts";

/** Messages to send. */
export interface Load {
  /** Number of messages that are due in one to six hours. */
  readonly later: number;
  /** Number of messages that are due soon; they are spread evenly among the others. */
  readonly due: number;
  /** Milliseconds in which those are due at the latest. */
  readonly within: number;
  /** Number of messages to send in a second, at most. */
  readonly rate: number;
}

const HOUR = 3_600_000;
/** Milliseconds in which no message is due: sending it takes some. */
const SOONEST = 1_000;
/** Messages sent in one turn of the event loop. */
const BATCH = 1_000;

/** Sends delayed messages to the queue `delayed`. */
export class DelayedSender {
  /** The eta of each message that was due soon, by its number. */
  readonly etas: number[] = [];
  readonly #due;
  readonly #later;
  readonly #onDue: (index: number, eta: number) => void;

  /**
   * @param broker Where to.
   * @param onDue Told of each message that is due soon, when it has been sent.
   */
  constructor(broker: RedisBroker, onDue: (index: number, eta: number) => void = () => {}) {
    this.#onDue = onDue;
    const options = { broker, queueName: "delayed" };
    this.#due = actor(function due(_index: number): void {}, options);
    this.#later = actor(function later(_index: number): void {}, options);
  }

  /** Sends them, and resolves when Redis has confirmed all. */
  async send({ later, due, within, rate }: Load): Promise<void> {
    const start = performance.now();
    const total = later + due;
    const firstDue = this.etas.length;
    this.etas.length += due;
    let sentDue = 0;
    for (let i = 0; i < total; i += BATCH) {
      const batch: Promise<unknown>[] = [];
      for (let j = i; j < Math.min(i + BATCH, total); j++) {
        const isDue = Math.floor((j + 1) * due / total) > sentDue;
        batch.push(isDue ? this.#sendDue(firstDue + sentDue++, within) : this.#sendLater(j));
      }
      await Promise.all(batch);
      await delay(Math.max(0, start + (i + batch.length) / rate * 1_000 - performance.now()));
    }
  }

  async #sendDue(index: number, within: number): Promise<void> {
    const message: Message = await this.#due.sendWithOptions({
      args: [index],
      delay: between(Math.min(SOONEST, within), within),
    });
    const eta = message.options.eta!;
    this.etas[index] = eta;
    this.#onDue(index, eta);
  }

  #sendLater(index: number): Promise<unknown> {
    return this.#later.sendWithOptions({ args: [index], delay: between(HOUR, 6 * HOUR) });
  }
}

function between(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least + 1));
}
