import { Buffer } from "node:buffer";
import { errorOfAll, withDelivery } from "../../core/delivery_state.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ConnectionFailed } from "../../core/errors.ts";
import type { Message } from "../../core/message.ts";
import { showValue } from "../../platform/show_value.ts";
import type { Content } from "./frames.ts";

/**
 * Maximum of bytes of a message that is sent together with others, until the server has stored a larger
 * one. For a message that is too large it closes the channel; then unconfirmed messages before it are
 * sent again, and may be stored twice.
 */
export const UNPROVEN_LENGTH: number = 64 * 1024;

/** Receiver of the outcome of a publication. */
export interface Sender {
  /** Called when the message is stored. */
  stored(): void;
  /** Called when it is not, or that is unknown. */
  failed(error: Error): void;
  /** Called each time before it is sent: true if that is still needed. @default Always. */
  isNeeded?(): boolean;
}

/** The outcome of all messages of one call. */
export class Receipt implements Sender {
  /** Resolves when all are stored. Rejects when all have an outcome, and some of them failed. */
  readonly promise: Promise<void>;
  readonly isNeeded?: () => boolean;
  #left: number;
  #isPartStored = false;
  #errors: Error[] | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  /**
   * Makes the receipt of a call.
   *
   * @param count Number of messages.
   * @param isNeeded True while they still need to be sent.
   */
  constructor(count: number, isNeeded?: () => boolean) {
    this.#left = count;
    if (isNeeded !== undefined) this.isNeeded = isNeeded;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Notes a stored message. */
  stored(): void {
    this.#isPartStored = true;
    this.#settled();
  }

  /** Notes a failed message. */
  failed(error: Error): void {
    this.#errors ??= [];
    this.#errors.push(error);
    this.#settled();
  }

  #settled(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    if (this.#errors === undefined) this.#resolve();
    else this.#reject(errorOfAll(this.#errors, this.#isPartStored));
  }
}

/** A message that is being published. */
export class Publication implements Content {
  readonly queueName: string;
  readonly body: Encoded;
  readonly length: number;
  readonly priority: number | undefined;
  readonly headers: Uint8Array | undefined;
  readonly sender: Sender;
  /** When it was added, by `performance.now()`. */
  waitsSince = 0;
  /** True if it was written, and may have been stored without a confirmation. */
  isWritten = false;
  /** True if the server closed a channel on which it was unconfirmed, perhaps because of it. */
  isSuspect = false;
  /** True if the server has returned it: there is no such queue. */
  isReturned = false;
  /** Number of times that it was returned, or the server closed its channel. */
  refusals = 0;
  /** When the server first refused it, by `performance.now()`. */
  refusedSince: number | undefined = undefined;

  /**
   * Makes a publication.
   *
   * @param queueName The queue.
   * @param body The encoded message.
   * @param sender Receives the outcome.
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
 * Makes the publication of a message to its queue.
 *
 * @param message The message.
 * @param priority Its priority, if any.
 * @param receipt Receives the outcome.
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
      `Cannot send with brokerPriority ${showValue(priority)}: it must be a whole number ` +
        "from 0 to 255",
    );
  }
  return new Publication(message.queueName, message.encode(), receipt, priority);
}

/**
 * Makes the errors of failed messages, which differ in whether the message was written.
 *
 * @param error The error.
 */
export function byDelivery(error: Error): (publication: Publication) => Error {
  const written = withDelivery(error, "unknown");
  const unwritten = withDelivery(error, "none");
  return ({ isWritten }) => isWritten ? written : unwritten;
}

/**
 * Fails a message that the server does not accept.
 *
 * @param publication The message.
 * @param reason The end of the error text.
 */
export function fail({ queueName, isWritten, sender }: Publication, reason: string): void {
  sender.failed(
    new ConnectionFailed(`Cannot send to queue "${queueName}": ${reason}`, {
      delivery: isWritten ? "unknown" : "none",
    }),
  );
}
