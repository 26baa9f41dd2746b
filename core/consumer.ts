import { MessageProxy } from "./message_proxy.ts";
import { shorten } from "../platform/thrown.ts";

/** Messages to settle: a message that it gave, or a list of them. */
export type OneOrMany = MessageProxy | readonly MessageProxy[];

function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? `an object of class ${value.constructor?.name}`
    : shorten(String(value), 100);
}

/**
 * Makes a list of what is to be settled.
 *
 * @param messages What the caller gave.
 * @returns The list.
 * @throws {TypeError} If it is neither a message nor a list.
 */
export function toList(messages: OneOrMany): readonly MessageProxy[] {
  const list: readonly unknown[] = Array.isArray(messages) ? messages : [messages];
  for (const one of list) {
    if (one instanceof MessageProxy) continue;
    throw new TypeError(
      `Cannot settle ${describe(one)}: it must be a message of this consumer, or a list`,
    );
  }
  return list as readonly MessageProxy[];
}

/** Options of `Broker.consume`. */
export interface ConsumeOptions {
  /**
   * Number of messages that may be received and not yet settled.
   *
   * @default {1}
   */
  prefetch?: number;
}

/**
 * Reads the prefetch of a consumer.
 *
 * @param queueName Its queue or delay queue.
 * @param options Its options.
 * @param maximum The largest prefetch that the server takes.
 * @returns The prefetch.
 * @throws {RangeError} If it is not a whole number above 0, or too large.
 */
export function checkPrefetch(
  queueName: string,
  { prefetch = 1 }: ConsumeOptions,
  maximum: number = Infinity,
): number {
  if (Number.isSafeInteger(prefetch) && prefetch >= 1 && prefetch <= maximum) return prefetch;
  const range = maximum === Infinity ? "above 0" : `from 1 to ${maximum}`;
  throw new RangeError(
    `Cannot prefetch ${prefetch} messages of "${queueName}": it must be a whole number ${range}`,
  );
}

/** Options of {@linkcode Consumer.receive}. */
export interface ReceiveOptions {
  /** Ends the wait; the call then gives what it has, maybe nothing. */
  signal?: AbortSignal;
}

/**
 * Takes messages off one queue. Every message received is settled by exactly one
 * of `ack`, `nack`, `requeue`, or given back by `close`.
 *
 * The consumer of a delay queue gives a message once its `eta` has come, for the
 * worker to put on its queue. A broker that does so by itself gives none.
 *
 * All methods reject with a `BrokerConnectionError` when the server cannot be
 * reached. The worker then closes the consumer and opens another one; messages of
 * the old one are the broker's to deliver again.
 *
 * @example Take a message off a queue by hand
 * ```ts
 * import { actor, StubBroker } from "@dq/dramatiq";
 *
 * await using broker = new StubBroker();
 * const greet = actor(function greet(_name: string) {}, { broker });
 * await greet.send("Ada");
 *
 * await using consumer = broker.consume("default");
 * const [message] = await consumer.receive(1);
 * console.log(message?.args); // [ "Ada" ]
 * await consumer.ack([message!]);
 * ```
 */
export abstract class Consumer implements AsyncIterable<MessageProxy>, AsyncDisposable {
  /** The queue it takes from. */
  readonly queueName: string;

  /**
   * Stores the name; connecting comes with the first `receive`.
   *
   * @param queueName The queue it takes from.
   */
  constructor(queueName: string) {
    this.queueName = queueName;
  }

  /**
   * True if its messages may have been delivered to another consumer meanwhile. The worker starts
   * nothing of it then; `receive` rejects soon.
   */
  get isLost(): boolean {
    return false;
  }

  /**
   * Waits for messages, and first for room, while as many as `prefetch` are unsettled.
   * One call at a time.
   *
   * @param limit How many to give at most, 1 or more; `prefetch` bounds it too.
   * @param options A signal to end the wait.
   * @returns One message or more, oldest first; none once aborted or closed.
   *   Data that cannot be decoded comes as an `UndecodableMessage`.
   */
  abstract receive(limit: number, options?: ReceiveOptions): Promise<MessageProxy[]>;

  /**
   * Takes nothing more off the queue until the next `receive`, and gives back what it has taken
   * and not handed out. What was handed out can still be settled. A consumer that takes
   * nothing but what is asked for has nothing to do.
   */
  async pause(): Promise<void> {}

  /**
   * Marks messages that are about to start, as far as they are under suspicion: deaths of workers
   * are counted by the marks, which end when the messages are settled.
   *
   * A consumer may learn here only that a message was marked when a worker died. Its `suspicion`
   * then counts that death, and it is not marked: begin it again when it runs alone.
   *
   * @param messages Messages that it gave, and that are not settled.
   * @returns Those that are still its own. The others are with another consumer, and must not start.
   */
  begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    return Promise.resolve(messages instanceof MessageProxy ? [messages] : messages);
  }

  /** Takes messages off the queue for good. */
  abstract ack(messages: OneOrMany): Promise<void>;

  /** Moves messages to the dead letters, in the form of their `deadLetter`. */
  abstract nack(messages: OneOrMany): Promise<void>;

  /** Gives messages back to the front of the queue, as they were. */
  abstract requeue(messages: OneOrMany): Promise<void>;

  /** Gives everything that is not settled back to the queue. May be called twice. */
  abstract close(): Promise<void>;

  /** One message after the other, until the consumer is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<MessageProxy, void, undefined> {
    while (true) {
      const messages = await this.receive(1);
      if (messages.length === 0) return;
      yield* messages;
    }
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
