import { canonicalQueueName, deadLetterQueueName, delayQueueName } from "../../core/queue_names.ts";

/** The names of the keys of one queue or delay queue. Source: `tests/vectors/redis_broker.json`. */
export interface QueueKeys {
  /** The queue: a list of ids. */
  readonly queue: string;
  /** Texts of the messages: a hash of texts by id. */
  readonly messages: string;
  /** The ids that this broker has fetched and not settled: a set. */
  readonly unacknowledged: string;
  /** The ids of delayed messages by eta: a sorted set. Ours; Python has none. */
  readonly etas: string;
  /** The delayed messages: those of the delay queue. */
  readonly delayed: string;
  /** The ids of the dead letters by time of death: a sorted set. */
  readonly deadLetters: string;
  /** The dead letters: a hash of texts by id. */
  readonly deadMessages: string;
  /**
   * Hash by id of notes on messages of the queue that a dead broker had in flight. Not in Python.
   */
  readonly suspects: string;
}

/** The keys of a namespace, as one broker uses them. */
export class Keys {
  /** When each broker was last heard of: a sorted set. */
  readonly heartbeats: string;
  /** Held by the worker that takes over from dead ones. */
  readonly recoveryLock: string;
  /** Which workers of this library sort the delayed messages of which queue: a sorted set. */
  readonly delays: string;
  /** Reports of workers by broker id: a hash. */
  readonly reports: string;
  /** Names of queues and delay queues: a set. */
  readonly queueNames: string;
  readonly #namespace: string;
  readonly #brokerId: string;
  readonly #queues: Map<string, QueueKeys> = new Map();

  /**
   * Names the keys.
   *
   * @param namespace What all begin with.
   * @param brokerId Whose unacknowledged messages they are.
   */
  constructor(namespace: string, brokerId: string) {
    this.#namespace = namespace;
    this.#brokerId = brokerId;
    this.heartbeats = `${namespace}:__heartbeats__`;
    this.recoveryLock = `${namespace}:__sweep__`;
    this.delays = `${namespace}:__delays__`;
    this.reports = `${namespace}:__workers__`;
    this.queueNames = `${namespace}:__queues__`;
  }

  /** The keys of a queue or delay queue. */
  of(queueName: string): QueueKeys {
    let keys = this.#queues.get(queueName);
    if (keys === undefined) {
      const canonical = canonicalQueueName(queueName);
      const named = (name: string) => `${this.#namespace}:${name}`;
      keys = {
        queue: named(queueName),
        messages: named(`${queueName}.msgs`),
        unacknowledged: this.unacknowledgedBy(this.#brokerId, queueName),
        etas: named(`${delayQueueName(canonical)}.etas`),
        delayed: named(`${delayQueueName(canonical)}.msgs`),
        deadLetters: named(deadLetterQueueName(canonical)),
        deadMessages: named(`${deadLetterQueueName(canonical)}.msgs`),
        suspects: named(`${delayQueueName(canonical)}.suspects`),
      };
      this.#queues.set(queueName, keys);
    }
    return keys;
  }

  /** Keys of unacknowledged messages of all queues that this broker has used. */
  get allUnacknowledged(): string[] {
    return Array.from(this.#queues.values(), ({ unacknowledged }) => unacknowledged);
  }

  /** Counts of what workers did in one minute: a hash, for two hours. */
  minute(at: number): string {
    return `${this.#namespace}:__minutes__:${at / 60_000}`;
  }

  /** Texts of messages of any queue, as a pattern. */
  get anyMessages(): string {
    return `${this.#namespace.replace(/[*?[\]\\^]/g, "\\$&")}:*.msgs`;
  }

  /** The name of the queue or delay queue whose texts a key has. */
  queueOfMessages(key: string): string {
    return key.slice(this.#namespace.length + 1, -".msgs".length);
  }

  /** The key of what any broker has not acknowledged of a queue. */
  unacknowledgedBy(brokerId: string, queueName: string): string {
    return `${this.#namespace}:__acks__.${brokerId}.${queueName}`;
  }
}
