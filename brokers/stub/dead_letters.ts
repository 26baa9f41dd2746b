import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import type { Message } from "../../core/message.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";

/** A dead letter. */
export interface StubDeadLetter {
  readonly key: number;
  readonly letter: MessageProxy;
  /** Time of death, in milliseconds since the epoch. */
  readonly diedAt: number;
}

/** Dead letters of a stub broker, in the order of their deaths. */
export class StubDeadLetters {
  readonly #store: (message: Message) => void;
  /** Dead letters by key; keys grow in the order of deaths. */
  readonly #letters: Map<number, StubDeadLetter> = new Map();
  readonly #keys: WeakMap<MessageProxy, number> = new WeakMap();
  #lastKey = 0;

  /** @param store Enqueues the message of a requeued dead letter. */
  constructor(store: (message: Message) => void) {
    this.#store = store;
  }

  /** All dead letters. */
  get all(): readonly MessageProxy[] {
    return Array.from(this.#letters.values(), ({ letter }) => letter);
  }

  /** All dead letters, by queue. */
  get byQueue(): ReadonlyMap<string, readonly MessageProxy[]> {
    return Map.groupBy(this.all, (message) => canonicalQueueName(message.queueName));
  }

  /** Adds a message. */
  add(message: MessageProxy, now: number): void {
    const known = this.#keys.get(message);
    const key = known !== undefined && this.#letters.has(known) ? known : ++this.#lastKey;
    this.#letters.set(key, { key, letter: message, diedAt: now });
    this.#keys.set(message, key);
  }

  /** Lists the dead letters of a queue. */
  of(queueName: string): StubDeadLetter[] {
    return [...this.#letters.values()].filter(({ letter }) => isOf(letter, queueName));
  }

  /** Finds a dead letter of a queue. */
  get(queueName: string, key: number): StubDeadLetter | undefined {
    const found = this.#letters.get(key);
    return found && isOf(found.letter, queueName) ? found : undefined;
  }

  /** Drops the dead letters of a queue. */
  drop(queueName: string): void {
    for (const { key } of this.of(queueName)) this.#letters.delete(key);
  }

  /** Removes a dead letter, unless it was removed before, and enqueues a message in its place. */
  remove(letter: MessageProxy, message?: Message): boolean {
    const key = this.#keys.get(letter);
    if (key === undefined || !this.#letters.has(key)) return false;
    if (message !== undefined) this.#store(message);
    return this.#letters.delete(key);
  }

  /** Reads the present dead letters of a queue. */
  async *read(queueName: string): AsyncGenerator<StoredDeadLetter> {
    for (const { key, letter, diedAt } of this.of(queueName)) {
      if (!this.#letters.has(key)) continue;
      yield {
        data: letter.deadLetter.encode(),
        diedAt,
        requeue: (message) => Promise.resolve(this.remove(letter, message)),
        drop: () => Promise.resolve(this.remove(letter)),
      };
    }
  }

  /** @throws The first error among the dead letters of a queue. */
  throwFirstFailure(queueName: string): void {
    for (const { letter: { exception } } of this.of(queueName)) {
      if (exception !== undefined) throw exception;
    }
  }
}

function isOf(letter: MessageProxy, queueName: string): boolean {
  return canonicalQueueName(letter.queueName) === queueName;
}
