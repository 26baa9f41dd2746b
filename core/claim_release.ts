import { MiddlewareError } from "./errors.ts";
import type { Unique } from "./unique.ts";
import { about, getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("broker", "claims");

/** The part of a delivery that releases need. */
interface Delivery {
  readonly actorName: string;
  readonly messageId: string;
  readonly queueName: string;
  readonly retried: boolean;
  /** Reads an option. */
  option(name: string): unknown;
}

/** The part of `Claims` that {@linkcode ClaimRelease} uses. */
export interface ClaimEnds<D> {
  /** The options of an actor; `undefined` if its messages are not unique. */
  of(actorName: string): Unique | undefined;
  /** Ends the claim of a message, and gives the message the text that was sent last. */
  begin(delivery: D): Promise<void>;
  /** Ends the claim of a message. */
  release(delivery: D): Promise<void>;
  /** True if a delivery runs with a later text than was delivered. */
  isReplaced(delivery: D): boolean;
  /** Forgets that text. */
  forgetText(delivery: D): Promise<void>;
}

/** The middleware that ends claims. Only brokers that have actors with unique messages have it. */
export class ClaimRelease<D extends Delivery> {
  readonly #claims: ClaimEnds<D>;

  /** @param claims The claims of the broker. */
  constructor(claims: ClaimEnds<D>) {
    this.#claims = claims;
  }

  /**
   * Ends a claim that lasts until its message starts. A message that may have been replaced gets its
   * latest text.
   *
   * @throws {MiddlewareError} If the latest text cannot be read: the message must not run with an older one.
   */
  beforeProcessMessage(_broker: unknown, message: D): void | Promise<void> {
    if (!this.#isUntil(message, "started")) return;
    const isReplaceable = this.#claims.of(message.actorName)?.onDuplicate === "replace";
    return isReplaceable ? this.#begin(message) : this.#release(message);
  }

  /** Ends the claim of a message that is done. */
  afterAck(_broker: unknown, message: D): void | Promise<void> {
    if (this.#claims.isReplaced(message)) return this.#forgetText(message);
    if (!message.retried && this.#isUntil(message, "finished")) return this.#release(message);
  }

  /** Ends the claim of a message that failed for good. */
  afterNack(_broker: unknown, message: D): void | Promise<void> {
    if (this.#claims.isReplaced(message)) return this.#forgetText(message);
    if (this.#isUntil(message, "finished")) return this.#release(message);
  }

  #isUntil(message: D, until: "started" | "finished"): boolean {
    return this.#claims.of(message.actorName)?.until === until &&
      typeof message.option("uniqueKey") === "string";
  }

  async #begin(message: D): Promise<void> {
    try {
      await this.#claims.begin(message);
    } catch (error) {
      if (error instanceof MiddlewareError) throw error;
      throw new MiddlewareError(
        `Cannot read the latest arguments of message ${message.messageId}: ${errorMessage(error)}`,
        { cause: error },
      );
    }
  }

  async #forgetText(message: D): Promise<void> {
    await this.#claims.forgetText(message).catch(() => {}); // it expires
  }

  /** Only logs a failure: the next sender that is refused by the claim finds it stale. */
  async #release(message: D): Promise<void> {
    try {
      await this.#claims.release(message);
    } catch (error) {
      log.warn("Failed to end the claim of message {messageId} of {actor}: {reason}", {
        ...about(message, error),
      });
    }
  }
}
