import { Buffer } from "node:buffer";
import type { Encoded } from "../../core/encoder.ts";
import type { Message } from "../../core/message.ts";
import type { Content } from "./frames.ts";

/** Who hears what became of a message. */
export interface Sender {
  /** It is stored. */
  stored(): void;
  /** It is not, or at least nobody knows. */
  failed(error: Error): void;
}

/** Tells when all messages of one call are stored, or that one of them is not. */
export class Receipt implements Sender {
  /** Resolves when all are stored. */
  readonly promise: Promise<void>;
  #left: number;
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  /**
   * Makes the receipt of a call.
   *
   * @param count How many messages it is for.
   */
  constructor(count: number) {
    this.#left = count;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** One message is stored. */
  stored(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#resolve();
  }

  /** One is not. */
  failed(error: Error): void {
    this.#reject(error);
  }
}

/** A message on its way to the server. */
export class Publication implements Content {
  readonly queueName: string;
  readonly body: Encoded;
  readonly length: number;
  readonly priority: number | undefined;
  readonly headers: Uint8Array | undefined;
  readonly sender: Sender;
  /** Since when it waits for a server to come back, by `performance.now()`. */
  waitsSince = 0;
  /** Whether there was no queue for it. */
  isReturned = false;
  /** How often the server would not have it. */
  refusals = 0;

  /**
   * Makes it ready to be sent.
   *
   * @param queueName Where it goes.
   * @param body What it says.
   * @param sender Who hears of it.
   * @param priority Its priority, if it has one.
   * @param headers Its headers, if it has any.
   */
  constructor(
    queueName: string,
    body: Encoded,
    sender: Sender,
    priority?: number,
    headers?: Uint8Array,
  ) {
    this.queueName = queueName;
    this.body = body;
    this.length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    this.sender = sender;
    this.priority = priority;
    this.headers = headers;
  }
}

/**
 * Makes a message ready to be sent to its queue.
 *
 * @param message The message.
 * @param priority The priority that it is to have, if any.
 * @param receipt Hears of it.
 * @returns What to send.
 * @throws {RangeError} If AMQP has no such priority.
 * @throws {TypeError} If it cannot be encoded.
 */
export function publicationOf(
  message: Message,
  priority: number | undefined,
  receipt: Receipt,
): Publication {
  if (
    priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 255)
  ) {
    throw new RangeError(
      `Cannot send with brokerPriority ${priority}: it must be a whole number from 0 to 255`,
    );
  }
  return new Publication(message.queueName, message.encode(), receipt, priority);
}
