import { canonicalQueueName, deadLetterQueueName, delayQueueName } from "../../core/queue_names.ts";

/** Keys of one queue or delay queue. Source: `tests/vectors/redis_broker.json`. */
export interface QueueKeys {
  /** The queue: a list of ids. */
  readonly queue: string;
  /** Texts of the messages on the queue and of unacknowledged ones: a hash by id. */
  readonly messages: string;
  /** Ids of the messages that are unacknowledged by this broker: a set. */
  readonly unacknowledged: string;
  /** Ids of delayed messages by eta: a sorted set, which Python does not use. */
  readonly etas: string;
  /** Texts of delayed messages, sorted or still on the delay queue: a hash by id. */
  readonly delayed: string;
  /** Ids of dead letters by time of death: a sorted set. */
  readonly deadLetters: string;
  /** Texts of dead letters: a hash by id. */
  readonly deadMessages: string;
  /** Entries of suspects, see `suspect_scripts.ts`: a hash by id, which Python does not use. */
  readonly suspects: string;
}

/** Keys of a namespace, for one broker. */
export class Keys {
  /** Brokers by the time of their last heartbeat: a sorted set. */
  readonly heartbeats: string;
  /** Lock of the worker that runs the recovery. */
  readonly recoveryLock: string;
  /** The delay registry, see `DelayRegistry`: a sorted set of `queue/broker id`. */
  readonly delays: string;
  /** Reports of workers by broker id: a hash. */
  readonly reports: string;
  /** Names of queues and delay queues: a set. */
  readonly queueNames: string;
  readonly #namespace: string;
  readonly #brokerId: string;
  readonly #queues: Map<string, QueueKeys> = new Map();

  /**
   * Makes the keys.
   *
   * @param namespace Their prefix.
   * @param brokerId The broker, for the keys of its unacknowledged messages.
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

  /** Keys of a queue or delay queue. */
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

  /** Counts of processed messages in one minute of the history: a hash, kept for two hours. */
  minute(at: number): string {
    return `${this.#namespace}:__minutes__:${at / 60_000}`;
  }

  /** Pattern of the keys of messages, of any queue. */
  get anyMessages(): string {
    return `${this.#namespace.replace(/[*?[\]\\^]/g, "\\$&")}:*.msgs`;
  }

  /** Name of the queue or delay queue that a key matching `anyMessages` belongs to. */
  queueOfMessages(key: string): string {
    return key.slice(this.#namespace.length + 1, -".msgs".length);
  }

  /** Key of the messages of a queue that are unacknowledged by any broker. */
  unacknowledgedBy(brokerId: string, queueName: string): string {
    return `${this.#namespace}:__acks__.${brokerId}.${queueName}`;
  }
}
