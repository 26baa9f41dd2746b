import { Buffer } from "node:buffer";
import { errorOfAll, withDelivery } from "../../core/delivery_state.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ConnectionFailed } from "../../core/errors.ts";
import type { Message } from "../../core/message.ts";
import type { Content } from "./frames.ts";

/**
 * The most bytes of a message that may be sent together with others before the server has
 * stored any as large. For a message that it finds too large it closes the channel, unconfirmed
 * messages before it are sent again, and so may be there twice.
 */
export const UNPROVEN_LENGTH: number = 64 * 1024;

/** Receiver of the outcome of a publication. */
export interface Sender {
  /** It is stored. */
  stored(): void;
  /** It is not, or at least that is not known. */
  failed(error: Error): void;
  /** True if it is still to be sent; asked each time it is about to be. @default Yes. */
  isNeeded?(): boolean;
}

/** Tells when all messages of one call are stored, or what became of them instead. */
export class Receipt implements Sender {
  /** Resolves when all are stored. Fails when all have ended and some of them are not. */
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
   * @param count How many messages it is for.
   * @param isNeeded Whether they are still to be sent.
   */
  constructor(count: number, isNeeded?: () => boolean) {
    this.#left = count;
    if (isNeeded !== undefined) this.isNeeded = isNeeded;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** One message is stored. */
  stored(): void {
    this.#isPartStored = true;
    this.#settled();
  }

  /** One is not. */
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

/** A message on its way to the server. */
export class Publication implements Content {
  readonly queueName: string;
  readonly body: Encoded;
  readonly length: number;
  readonly priority: number | undefined;
  readonly headers: Uint8Array | undefined;
  readonly sender: Sender;
  /** When it was added, by `performance.now()`. */
  waitsSince = 0;
  /** True if it was written, and may have been stored although the server has not said so. */
  isWritten = false;
  /** True if the server closed a channel that it was under way on, perhaps because of it. */
  isSuspect = false;
  /** True if there was no queue for it. */
  isReturned = false;
  /** Number of times there was no queue for it, or the server closed its channel. */
  refusals = 0;
  /** When the server first refused it, by `performance.now()`. */
  refusedSince: number | undefined = undefined;

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

/**
 * Makes the error of each message: whether it was written differs from one to the next.
 *
 * @param error Why messages are given up.
 */
export function byDelivery(error: Error): (publication: Publication) => Error {
  const written = withDelivery(error, "unknown");
  const unwritten = withDelivery(error, "none");
  return ({ isWritten }) => isWritten ? written : unwritten;
}

/**
 * Gives up a message that the server does not take.
 *
 * @param publication The message.
 * @param reason Why: the end of the error text.
 */
export function fail({ queueName, isWritten, sender }: Publication, reason: string): void {
  sender.failed(
    new ConnectionFailed(`Cannot send to queue "${queueName}": ${reason}`, {
      delivery: isWritten ? "unknown" : "none",
    }),
  );
}
