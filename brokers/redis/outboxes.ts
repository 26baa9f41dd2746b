import type { Encoded } from "../../core/encoder.ts";
import { joined } from "./joined.ts";
import { Outbox } from "./outbox.ts";
import { ENQUEUE, PROMOTE } from "./scripts.ts";
import { runPatiently, type Session } from "./session.ts";

/**
 * What a broker sends, by queue: messages that are new there, and those that come from its
 * delay queue. Each queue has an outbox for either, made when it is first needed.
 */
export class Outboxes {
  readonly #session: Session;
  readonly #enqueued: Map<string, Outbox> = new Map();
  readonly #promoted: Map<string, Outbox> = new Map();

  /**
   * Has nothing to send yet.
   *
   * @param session The broker.
   */
  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Sends new messages to a queue.
   *
   * @param queueName The queue or delay queue.
   * @returns Takes the id of each, and its text.
   */
  enqueued(queueName: string): Outbox {
    let outbox = this.#enqueued.get(queueName);
    if (outbox === undefined) {
      const { keys, storing } = this.#session;
      const { queue, messages } = keys.of(queueName);
      const send = (entries: readonly Encoded[], since: number) => {
        const args = (again: boolean) => [again ? 1 : 0, ...entries];
        const how = { connection: storing, since };
        return runPatiently(this.#session, ENQUEUE, [queue, messages], args, how);
      };
      const isReady = () => storing.isReadyForLarge;
      outbox = new Outbox(send, joined, isReady);
      this.#enqueued.set(queueName, outbox);
    }
    return outbox;
  }

  /**
   * Puts delayed messages on their queue, and takes them off its delay queue.
   *
   * @param queueName The queue.
   * @returns Takes the id that each had, its new one, and its text.
   */
  promoted(queueName: string): Outbox {
    let outbox = this.#promoted.get(queueName);
    if (outbox === undefined) {
      const { etas, delayed, queue, messages } = this.#session.keys.of(queueName);
      const keys = [etas, delayed, queue, messages];
      outbox = new Outbox((args, since) => {
        return runPatiently(this.#session, PROMOTE, keys, args, { since });
      });
      this.#promoted.set(queueName, outbox);
    }
    return outbox;
  }

  /** Resolves when all has been sent, or given up. */
  async emptied(): Promise<void> {
    const all = [...this.#enqueued.values(), ...this.#promoted.values()];
    await Promise.all(all.map((outbox) => outbox.emptied()));
  }
}
