import { MiddlewareError } from "./errors.ts";
import type { Unique } from "./unique.ts";
import { about, getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("broker", "claims");

/** A delivery, as far as it matters here. */
interface Delivery {
  readonly actorName: string;
  readonly messageId: string;
  readonly queueName: string;
  readonly retried: boolean;
  /** One option. */
  option(name: string): unknown;
}

/** Ends of claims, as {@linkcode ClaimRelease} causes them. */
export interface ClaimEnds<D> {
  /** The options of an actor; `undefined` if its messages are not unique. */
  of(actorName: string): Unique | undefined;
  /** Ends the claim of a message, and gives it the text that was sent last. */
  begin(delivery: D): Promise<void>;
  /** Ends the claim of a message. */
  release(delivery: D): Promise<void>;
  /** True if a delivery runs with a later text than it came with. */
  isReplaced(delivery: D): boolean;
  /** Forgets that text. */
  forgetText(delivery: D): Promise<void>;
}

/** Ends claims: it is a middleware of brokers that have actors with unique messages, and of no others. */
export class ClaimRelease<D extends Delivery> {
  readonly #claims: ClaimEnds<D>;

  /** @param claims The claims of the broker. */
  constructor(claims: ClaimEnds<D>) {
    this.#claims = claims;
  }

  /**
   * Ends a claim that lasts until its message starts, before it does. One that may have been replaced
   * gets its latest text.
   *
   * @throws {MiddlewareError} If that cannot be read: it must not run with another one.
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

  /** A claim that stays is found to be stale by whoever is refused by it. */
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
