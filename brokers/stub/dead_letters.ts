import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import type { Message } from "../../core/message.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";

/** A dead letter, and the milliseconds since the epoch at which it died. */
export interface StubDeadLetter {
  readonly letter: MessageProxy;
  readonly diedAt: number | undefined;
}

/** Dead letters of a stub broker, the first one first. */
export class StubDeadLetters {
  readonly #store: (message: Message) => void;
  readonly #letters: Set<MessageProxy> = new Set();
  readonly #deaths: WeakMap<MessageProxy, number> = new WeakMap();

  /** @param store Stores a message in the place of a dead letter. */
  constructor(store: (message: Message) => void) {
    this.#store = store;
  }

  /** All of them. */
  get all(): readonly MessageProxy[] {
    return [...this.#letters];
  }

  /** All of them, by the queue that they came from. */
  get byQueue(): ReadonlyMap<string, readonly MessageProxy[]> {
    return Map.groupBy(this.#letters, (message) => canonicalQueueName(message.queueName));
  }

  /** Adds a message that died now. */
  add(message: MessageProxy, now: number): void {
    this.#letters.add(message);
    this.#deaths.set(message, now);
  }

  /** Lists those of a queue. */
  of(queueName: string): StubDeadLetter[] {
    const letters = this.byQueue.get(queueName) ?? [];
    return letters.map((letter) => ({ letter, diedAt: this.#deaths.get(letter) }));
  }

  /** Drops those of a queue. */
  drop(queueName: string): void {
    for (const letter of this.byQueue.get(queueName) ?? []) this.#letters.delete(letter);
  }

  /** Takes one away, if it is still there, once a message is stored in its place. */
  disinter(letter: MessageProxy, message?: Message): boolean {
    if (!this.#letters.has(letter)) return false;
    if (message !== undefined) this.#store(message);
    return this.#letters.delete(letter);
  }

  /** Reads those of a queue that there are. */
  async *read(queueName: string): AsyncGenerator<StoredDeadLetter> {
    for (const { letter, diedAt } of this.of(queueName)) {
      if (!this.#letters.has(letter)) continue;
      yield {
        data: letter.deadLetter.encode(),
        diedAt,
        requeue: (message) => Promise.resolve(this.disinter(letter, message)),
        drop: () => Promise.resolve(this.disinter(letter)),
      };
    }
  }

  /** @throws The error of the first one of a queue that has any. */
  throwFirstFailure(queueName: string): void {
    for (const message of this.#letters) {
      if (canonicalQueueName(message.queueName) !== queueName) continue;
      if (message.exception !== undefined) throw message.exception;
    }
  }
}
