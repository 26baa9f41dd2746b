import { assertSignal, checkKnownOptions, checkNames, type KnownOptions } from "./known_options.ts";
import { MessageProxy } from "./message_proxy.ts";
import { shorten } from "../platform/thrown.ts";

/** Messages to settle: one that the consumer delivered, or a list. */
export type OneOrMany = MessageProxy | readonly MessageProxy[];

function describe(value: unknown): string {
  return typeof value === "object" && value !== null
    ? `an object of class ${value.constructor?.name}`
    : shorten(String(value), 100);
}

/**
 * Makes a list of messages to settle.
 *
 * @param messages One message, or a list.
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

const CONSUME_OPTIONS: KnownOptions<ConsumeOptions> = { prefetch: true };

/**
 * Checks the options of a consumer.
 *
 * @param queueName Its queue or delay queue.
 * @param options Its options.
 * @param maximum The largest prefetch that the server takes.
 * @returns The prefetch.
 * @throws {TypeError} If an option is not known.
 * @throws {RangeError} If it is not a whole number above 0, or too large.
 */
export function checkPrefetch(
  queueName: string,
  options: ConsumeOptions,
  maximum: number = Infinity,
): number {
  checkKnownOptions("consume", options, CONSUME_OPTIONS);
  const { prefetch = 1 } = options;
  if (Number.isSafeInteger(prefetch) && prefetch >= 1 && prefetch <= maximum) return prefetch;
  const range = maximum === Infinity ? "above 0" : `from 1 to ${maximum}`;
  throw new RangeError(
    `Cannot prefetch ${prefetch} messages of "${queueName}": it must be a whole number ${range}`,
  );
}

/** Options of {@linkcode Consumer.receive}. */
export interface ReceiveOptions {
  /** Ends the wait when it aborts; the call then resolves to the messages it has, or none. */
  signal?: AbortSignal;
}

const RECEIVE_OPTIONS: KnownOptions<ReceiveOptions> = { signal: "AbortSignal" };

/**
 * Checks the options of a `receive`, which workers call for each batch.
 *
 * @param options The options.
 * @returns The signal, if there is one.
 * @throws {TypeError} If an option is not known, or the signal is no AbortSignal.
 */
export function checkReceive(options: ReceiveOptions): AbortSignal | undefined {
  checkNames("receive messages", options, RECEIVE_OPTIONS);
  const { signal } = options;
  if (signal !== undefined) assertSignal("receive messages", signal);
  return signal;
}

/**
 * Receives the messages of one queue. Each is settled by exactly one of `ack`, `nack` and `requeue`, or
 * requeued by `close`.
 *
 * The consumer of a delay queue delivers messages that are due, for the worker to store on their queue.
 * It delivers none if the broker does that itself.
 *
 * All methods reject with a `BrokerConnectionError` if the server cannot be reached. The worker then
 * closes the consumer and opens another one; the broker delivers the messages of the old one again.
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
  /** The queue or delay queue. */
  readonly queueName: string;

  /**
   * Stores the name; the first `receive` connects.
   *
   * @param queueName The queue or delay queue.
   */
  constructor(queueName: string) {
    this.queueName = queueName;
  }

  /**
   * True if its messages may have been delivered to another consumer. The worker does not start them
   * then, and `receive` rejects soon.
   */
  get isLost(): boolean {
    return false;
  }

  /**
   * Waits for messages, and for room while as many as `prefetch` are unsettled. One call at a time.
   *
   * @param limit Maximum of messages, 1 or more; `prefetch` is a maximum, too.
   * @param options A signal to end the wait.
   * @returns One message or more, oldest first; none once aborted or closed.
   *   Data that cannot be decoded is delivered as an `UndecodableMessage`.
   * @throws {TypeError} If an option is not known, or the signal is no AbortSignal.
   */
  abstract receive(limit: number, options?: ReceiveOptions): Promise<MessageProxy[]>;

  /**
   * Fetches nothing until the next `receive`, and requeues messages that were prefetched and not yet
   * received. Received messages can still be settled. Consumers that do not prefetch need not override
   * it.
   */
  async pause(): Promise<void> {}

  /**
   * Marks messages with a `suspicion` before they run. If a worker dies, the marks tell which messages
   * were running. Settling a message removes its mark.
   *
   * A consumer may find out only here that a message was marked when a worker died. It then counts the
   * death in `suspicion`, and does not mark the message: call this again before it runs alone.
   *
   * @param messages Received messages that are not settled.
   * @returns Those that the consumer still has. The others must not start.
   */
  begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    return Promise.resolve(messages instanceof MessageProxy ? [messages] : messages);
  }

  /** Acknowledges messages: removes them from the queue. */
  abstract ack(messages: OneOrMany): Promise<void>;

  /** Dead-letters messages, in the form of their `deadLetter`. */
  abstract nack(messages: OneOrMany): Promise<void>;

  /** Returns messages, unchanged, to the front of the queue. */
  abstract requeue(messages: OneOrMany): Promise<void>;

  /** Requeues all unsettled messages. May be called again. */
  abstract close(): Promise<void>;

  /** Receives messages one by one, until the consumer is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<MessageProxy, void, undefined> {
    while (true) {
      const messages = await this.receive(1);
      if (messages.length === 0) return;
      yield* messages;
    }
  }

  /** Closes the consumer. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
