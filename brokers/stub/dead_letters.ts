import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import type { Message } from "../../core/message.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";

/** A dead letter, its key, and the milliseconds since the epoch at which it died. */
export interface StubDeadLetter {
  readonly key: number;
  readonly letter: MessageProxy;
  readonly diedAt: number;
}

/** Dead letters of a stub broker, the first one first. */
export class StubDeadLetters {
  readonly #store: (message: Message) => void;
  /** By key; keys count in the order of deaths. */
  readonly #letters: Map<number, StubDeadLetter> = new Map();
  readonly #keys: WeakMap<MessageProxy, number> = new WeakMap();
  #lastKey = 0;

  /** @param store Stores a message in the place of a dead letter. */
  constructor(store: (message: Message) => void) {
    this.#store = store;
  }

  /** All of them. */
  get all(): readonly MessageProxy[] {
    return Array.from(this.#letters.values(), ({ letter }) => letter);
  }

  /** All of them, by the queue that they came from. */
  get byQueue(): ReadonlyMap<string, readonly MessageProxy[]> {
    return Map.groupBy(this.all, (message) => canonicalQueueName(message.queueName));
  }

  /** Adds a message that died now. */
  add(message: MessageProxy, now: number): void {
    const known = this.#keys.get(message);
    const key = known !== undefined && this.#letters.has(known) ? known : ++this.#lastKey;
    this.#letters.set(key, { key, letter: message, diedAt: now });
    this.#keys.set(message, key);
  }

  /** Lists those of a queue. */
  of(queueName: string): StubDeadLetter[] {
    return [...this.#letters.values()].filter(({ letter }) => isOf(letter, queueName));
  }

  /** Finds one of a queue. */
  get(queueName: string, key: number): StubDeadLetter | undefined {
    const found = this.#letters.get(key);
    return found && isOf(found.letter, queueName) ? found : undefined;
  }

  /** Drops those of a queue. */
  drop(queueName: string): void {
    for (const { key } of this.of(queueName)) this.#letters.delete(key);
  }

  /** Takes one away, if it is still there, once a message is stored in its place. */
  disinter(letter: MessageProxy, message?: Message): boolean {
    const key = this.#keys.get(letter);
    if (key === undefined || !this.#letters.has(key)) return false;
    if (message !== undefined) this.#store(message);
    return this.#letters.delete(key);
  }

  /** Reads those of a queue that there are. */
  async *read(queueName: string): AsyncGenerator<StoredDeadLetter> {
    for (const { key, letter, diedAt } of this.of(queueName)) {
      if (!this.#letters.has(key)) continue;
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
    for (const { letter: { exception } } of this.of(queueName)) {
      if (exception !== undefined) throw exception;
    }
  }
}

function isOf(letter: MessageProxy, queueName: string): boolean {
  return canonicalQueueName(letter.queueName) === queueName;
}
