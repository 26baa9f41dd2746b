import type { Encoded } from "../encoders/encoder.ts";
import type { DecodeError } from "./errors.ts";
import { checkKnownOptions, type KnownOptions } from "./known_options.ts";
import type { Message } from "./message.ts";
import type { ReportSource } from "./report_source.ts";
import { decodeFromQueue, UndecodableMessage } from "./undecodable_message.ts";

/** Options of `Broker.deadLetters`. */
export interface DeadLetterOptions {
  /**
   * Number of dead letters that are read at once, and kept in memory.
   *
   * @default {100}
   */
  pageSize?: number;
}

const KNOWN_OPTIONS: KnownOptions<DeadLetterOptions> = { pageSize: true };

/** A dead letter as a broker stores it, for {@linkcode DeadLetter}. */
export interface StoredDeadLetter {
  /** The message as it is stored. */
  readonly data: Encoded;
  /** Time of its death in milliseconds since the epoch, if the broker knows it. */
  readonly diedAt: number | undefined;

  /**
   * Stores a message on its queue, and removes the dead letter: in one step, or in this order.
   *
   * @param message The message to store.
   * @returns False if the dead letter is gone; nothing is stored then.
   */
  requeue(message: Message): Promise<boolean>;

  /**
   * Removes it.
   *
   * @returns False if it is gone.
   */
  drop(): Promise<boolean>;
}

/** Options for reading dead letters. */
export interface ReadDeadLettersOptions {
  /** Maximum of dead letters in memory. */
  readonly pageSize: number;

  /** Resolves when no dead letter is being requeued or dropped. */
  settled(): Promise<void>;
}

/**
 * A message that failed for good, exceeded its maximum age, names an unknown actor or cannot be
 * decoded. It stays until it is requeued, dropped or expires.
 *
 * @example Requeue everything that failed today
 * ```ts
 * import { StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.declareQueue("default");
 * for await (const dead of broker.deadLetters("default")) {
 *   if (dead.diedAt! > Date.now() - 86_400_000) await dead.requeue();
 * }
 * ```
 */
export class DeadLetter {
  /** The queue of the message. */
  readonly queueName: string;
  /** The message; an `UndecodableMessage` if the data cannot be decoded. */
  readonly message: Message;
  /** Time of its death in milliseconds since the epoch, if the broker knows it. */
  readonly diedAt: number | undefined;
  readonly #stored: StoredDeadLetter;
  readonly #owner: DeadLetterOwner;
  #isSettled = false;

  /**
   * Wraps a stored dead letter.
   *
   * @param queueName The queue of the message.
   * @param stored The dead letter, as the broker stores it.
   * @param owner Requeues it, and calls hooks.
   */
  constructor(queueName: string, stored: StoredDeadLetter, owner: DeadLetterOwner) {
    this.queueName = queueName;
    this.diedAt = stored.diedAt;
    this.message = decodeFromQueue(queueName, stored.data);
    this.#stored = stored;
    this.#owner = owner;
  }

  /** The stored data, unchanged. */
  get data(): Encoded {
    return this.#stored.data;
  }

  /** Error of decoding the data, if it cannot be decoded. */
  get decodeError(): DecodeError | undefined {
    return this.message instanceof UndecodableMessage ? this.message.error : undefined;
  }

  /** Number of retries. */
  get retries(): number {
    const retries = this.message.option("retries");
    return typeof retries === "number" ? retries : 0;
  }

  /** Traceback of its failure; `undefined` if it did not fail, or a worker in Python ran it. */
  get traceback(): string | undefined {
    const traceback = this.message.option("traceback");
    return typeof traceback === "string" ? traceback : undefined;
  }

  /**
   * Puts the message back on its queue as if it were sent now: with the same id and arguments,
   * without its retries and traceback. Undecodable data is put back unchanged. The dead letter is
   * removed only after the message is stored.
   *
   * @returns True if requeued; `false` if the dead letter is gone, for example because another
   *   process was faster.
   * @throws {BrokerConnectionError} If the server cannot be reached; the dead letter stays.
   * @throws {MiddlewareError} If a middleware refuses the message; the dead letter stays.
   */
  async requeue(): Promise<boolean> {
    return await this.#settleOnce(() => this.#owner.requeue(this.#stored, this.message));
  }

  /**
   * Removes it.
   *
   * @returns False if it is gone.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async drop(): Promise<boolean> {
    return await this.#settleOnce(() => this.#stored.drop());
  }

  async #settleOnce(settle: () => Promise<boolean>): Promise<boolean> {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    const settling = settle();
    this.#owner.settling.add(settling);
    try {
      return await settling;
    } catch (error) {
      this.#isSettled = false;
      throw error;
    } finally {
      this.#owner.settling.delete(settling);
    }
  }
}

/** The reader that owns a {@linkcode DeadLetter}. */
export interface DeadLetterOwner {
  /** Pending calls of `requeue` and `drop`. */
  readonly settling: Set<Promise<boolean>>;

  /** Replaces a dead letter by a message on its queue, and calls hooks. */
  requeue(stored: StoredDeadLetter, message: Message): Promise<boolean>;
}

/** Source of dead letters: a broker. */
export interface DeadLetterSource {
  /** Reads stored dead letters. */
  read(options: ReadDeadLettersOptions): AsyncIterable<StoredDeadLetter>;

  /** Replaces a dead letter by a message on its queue, and calls hooks. */
  requeue(stored: StoredDeadLetter, message: Message): Promise<boolean>;
}

/**
 * Reads the dead letters of a queue.
 *
 * @param queueName The queue.
 * @param options The size of a page.
 * @param source The broker.
 * @returns The dead letters.
 * @throws {TypeError} If an option is not known.
 * @throws {RangeError} If `pageSize` is not a whole number above 0.
 */
export async function* showDeadLetters(
  queueName: string,
  options: DeadLetterOptions,
  source: DeadLetterSource,
): AsyncGenerator<DeadLetter, void, undefined> {
  const settling = new Set<Promise<boolean>>();
  const owner: DeadLetterOwner = {
    settling,
    requeue: (stored, message) => source.requeue(stored, message),
  };
  const reading = source.read({
    pageSize: pageSizeOf(options),
    settled: async () => void await Promise.allSettled(settling),
  });
  for await (const stored of reading) yield new DeadLetter(queueName, stored, owner);
}

/** Options that a message loses when it is requeued. */
const WITHOUT_HISTORY = {
  eta: undefined,
  requeueTimestamp: undefined,
  retries: undefined,
  snoozes: undefined,
  deaths: undefined,
  traceback: undefined,
} as const;

/**
 * Makes the message that replaces a requeued dead letter.
 *
 * @param queueName The queue.
 * @param message The dead letter.
 * @param now The present time in milliseconds since the epoch, from which its age counts: otherwise a
 *   message that was too old would be again.
 * @returns The message.
 */
export function revived(queueName: string, message: Message, now: number): Message {
  if (message instanceof UndecodableMessage) {
    return new UndecodableMessage(queueName, message.error);
  }
  return message.copy({ queueName, messageTimestamp: now, options: WITHOUT_HISTORY });
}

function pageSizeOf(options: DeadLetterOptions): number {
  checkKnownOptions("read dead letters", options, KNOWN_OPTIONS);
  const { pageSize = 100 } = options;
  if (Number.isSafeInteger(pageSize) && pageSize > 0) return pageSize;
  throw new RangeError(
    `Cannot read ${pageSize} dead letters at once: it must be a whole number above 0`,
  );
}

/** Parts of a broker for its inspector. */
export interface InspectionHost {
  /** The declared queues. */
  readonly queues: ReadonlySet<string>;

  /** Workers of this process that report. */
  readonly reportSources: ReadonlySet<ReportSource>;

  /** Replaces a dead letter by a message on its queue, and calls hooks. */
  requeue(queueName: string, stored: StoredDeadLetter, message: Message): Promise<boolean>;

  /**
   * Stores a delayed message on its queue, and calls hooks.
   *
   * @param queueName The queue.
   * @param message The delayed message.
   * @param store Stores the message and removes the delayed one, in one step.
   * @returns False if the delayed message is gone.
   */
  runNow(
    queueName: string,
    message: Message,
    store: (message: Message) => Promise<boolean>,
  ): Promise<boolean>;
}
