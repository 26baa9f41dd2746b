import type { Encoded } from "../../encoders/encoder.ts";
import { packEntries } from "./packing.ts";
import { Batcher } from "../../clients/redis/batcher.ts";
import { ENQUEUE, PROMOTE } from "./scripts.ts";
import { type RedisSession, runWithRetry } from "./session.ts";

/**
 * Batchers of a broker by queue: for messages that are new there, and those that come from its
 * delay queue. Each queue has a batcher for either, made when it is first needed.
 */
export class EnqueueBatchers {
  readonly #session: RedisSession;
  readonly #enqueued: Map<string, Batcher> = new Map();
  readonly #promoted: Map<string, Batcher> = new Map();

  /**
   * Has nothing to send yet.
   *
   * @param session The broker.
   */
  constructor(session: RedisSession) {
    this.#session = session;
  }

  /**
   * Sends new messages to a queue.
   *
   * @param queueName The queue or delay queue.
   * @returns Takes the id of each, and its text.
   */
  enqueued(queueName: string): Batcher {
    let batcher = this.#enqueued.get(queueName);
    if (batcher === undefined) {
      const { keys, storing } = this.#session;
      const { queue, messages } = keys.of(queueName);
      const send = (entries: readonly Encoded[], since: number) => {
        const args = (again: boolean) => [again ? 1 : 0, ...entries];
        const how = { connection: storing, since };
        return runWithRetry(this.#session, ENQUEUE, [queue, messages], args, how);
      };
      const isReady = () => storing.isReadyForLarge;
      batcher = new Batcher(send, packEntries, isReady);
      this.#enqueued.set(queueName, batcher);
    }
    return batcher;
  }

  /**
   * Puts delayed messages on their queue, and takes them off its delay queue.
   *
   * @param queueName The queue.
   * @returns Takes the id that each had, its new one, and its text.
   */
  promoted(queueName: string): Batcher {
    let batcher = this.#promoted.get(queueName);
    if (batcher === undefined) {
      const { etas, delayed, queue, messages } = this.#session.keys.of(queueName);
      const keys = [etas, delayed, queue, messages];
      batcher = new Batcher((args, since) => {
        return runWithRetry(this.#session, PROMOTE, keys, args, { since });
      });
      this.#promoted.set(queueName, batcher);
    }
    return batcher;
  }

  /** Resolves when all has been sent, or given up. */
  async emptied(): Promise<void> {
    const all = [...this.#enqueued.values(), ...this.#promoted.values()];
    await Promise.all(all.map((batcher) => batcher.emptied()));
  }
}
