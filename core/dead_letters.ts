import type { Encoded } from "../encoders/encoder.ts";
import type { DecodeError } from "./errors.ts";
import type { Message } from "./message.ts";
import type { ReportSource } from "./report_source.ts";
import { decodeFromQueue, UndecodableMessage } from "./undecodable_message.ts";

/** Options of `Broker.deadLetters`. */
export interface DeadLetterOptions {
  /**
   * Number of dead letters that are read from the server at once, and so are in memory.
   *
   * @default {100}
   */
  pageSize?: number;
}

/** A dead letter as a broker keeps it: what brokers give, for {@linkcode DeadLetter} to show. */
export interface StoredDeadLetter {
  /** The message as it is stored. */
  readonly data: Encoded;
  /** Milliseconds since the epoch at which it died, if the broker knows. */
  readonly diedAt: number | undefined;

  /**
   * Puts a message on its queue, and takes the dead letter away: in one step, or in this order.
   *
   * @param message What to store in its place.
   * @returns Whether the dead letter was still there; if not, nothing is done.
   */
  requeue(message: Message): Promise<boolean>;

  /**
   * Takes it away for good.
   *
   * @returns Whether it was still there.
   */
  drop(): Promise<boolean>;
}

/** Options for reading dead letters. */
export interface ReadDeadLettersOptions {
  /** Number of dead letters to have in memory at most. */
  readonly pageSize: number;

  /** Resolves when none that was given is just being requeued or dropped. */
  settled(): Promise<void>;
}

/**
 * A message that failed for good, exceeded its maximum age, names an unknown actor or cannot be
 * decoded. It stays until it is requeued, dropped or expires.
 *
 * @example Give everything another chance that failed today
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
  /** The queue that it belongs to. */
  readonly queueName: string;
  /** The message; an `UndecodableMessage` if the data cannot be decoded. */
  readonly message: Message;
  /** Milliseconds since the epoch at which it died, if the broker knows. */
  readonly diedAt: number | undefined;
  readonly #stored: StoredDeadLetter;
  readonly #owner: DeadLetterOwner;
  #isSettled = false;

  /**
   * Shows a dead letter.
   *
   * @param queueName The queue that it belongs to.
   * @param stored What the broker keeps.
   * @param owner Requeues it, with all hooks.
   */
  constructor(queueName: string, stored: StoredDeadLetter, owner: DeadLetterOwner) {
    this.queueName = queueName;
    this.diedAt = stored.diedAt;
    this.message = decodeFromQueue(queueName, stored.data);
    this.#stored = stored;
    this.#owner = owner;
  }

  /** The data, untouched. */
  get data(): Encoded {
    return this.#stored.data;
  }

  /** Why the data is not a message, if so. */
  get decodeError(): DecodeError | undefined {
    return this.message instanceof UndecodableMessage ? this.message.error : undefined;
  }

  /** Number of attempts that had failed when it was last sent, and it is not the first one. */
  get retries(): number {
    const retries = this.message.option("retries");
    return typeof retries === "number" ? retries : 0;
  }

  /** Traceback of its failure; `undefined` if it did not fail, or in Python. */
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
   * Drops it for good.
   *
   * @returns Whether it did; `false` if it is gone.
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

/** Reader, as a {@linkcode DeadLetter} sees it. */
export interface DeadLetterOwner {
  /** Settlements under way. */
  readonly settling: Set<Promise<boolean>>;

  /** Stores a message in the place of a dead letter, with all hooks. */
  requeue(stored: StoredDeadLetter, message: Message): Promise<boolean>;
}

/** Source of dead letters, which can requeue them. */
export interface DeadLetterSource {
  /** Reads them as they are stored. */
  read(options: ReadDeadLettersOptions): AsyncIterable<StoredDeadLetter>;

  /** Stores a message in the place of a dead letter, with all hooks. */
  requeue(stored: StoredDeadLetter, message: Message): Promise<boolean>;
}

/**
 * Shows the dead letters of a queue one after the other.
 *
 * @param queueName The queue, not that of delayed messages.
 * @param options How many are read at once.
 * @param source Where they come from.
 * @returns The dead letters.
 * @throws {RangeError} If the size of a page makes no sense.
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

/** Options that a failed message loses to start afresh. */
const AFRESH = {
  eta: undefined,
  requeueTimestamp: undefined,
  retries: undefined,
  snoozes: undefined,
  deaths: undefined,
  traceback: undefined,
} as const;

/**
 * The message that takes the place of a dead letter.
 *
 * @param queueName The queue, not that of delayed messages.
 * @param message The dead letter.
 * @param now When it is sent again: age counts from there, or one that was too old would be so
 *   again.
 * @returns What to store.
 */
export function revived(queueName: string, message: Message, now: number): Message {
  if (message instanceof UndecodableMessage) {
    return new UndecodableMessage(queueName, message.error);
  }
  return message.copy({ queueName, messageTimestamp: now, options: AFRESH });
}

function pageSizeOf({ pageSize = 100 }: DeadLetterOptions): number {
  if (Number.isSafeInteger(pageSize) && pageSize > 0) return pageSize;
  throw new RangeError(
    `Cannot read ${pageSize} dead letters at once: it must be a whole number above 0`,
  );
}

/** A broker, as its inspector sees it. */
export interface InspectionHost {
  /** The queues that are declared. */
  readonly queues: ReadonlySet<string>;

  /** Workers of this process that report. */
  readonly reportSources: ReadonlySet<ReportSource>;

  /** Stores a message in the place of a dead letter, with all hooks. */
  requeue(queueName: string, stored: StoredDeadLetter, message: Message): Promise<boolean>;

  /**
   * Stores a delayed message on its queue, with all hooks.
   *
   * @param queueName The queue, not that of delayed messages.
   * @param message The delayed message.
   * @param store Puts a message on the queue and takes the delayed one away, in one step.
   * @returns Whether the delayed message was still there.
   */
  runNow(
    queueName: string,
    message: Message,
    store: (message: Message) => Promise<boolean>,
  ): Promise<boolean>;
}
