import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { SkipMessage } from "../core/errors.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware } from "../core/middleware.ts";
import { checkNumberOption, numberOption, type NumberRule } from "./options.ts";

/** A `maxAge` of 0 is valid on a message, which then never runs. */
const MESSAGE_RULE: NumberRule = { least: 0 };

/** Options for {@linkcode AgeLimit}. */
export interface AgeLimitOptions {
  /**
   * Age in milliseconds past which a message is dead-lettered. The option `maxAge` of the actor or of
   * the message overrides it.
   *
   * @default {Infinity}
   */
  maxAge?: number;
}

const KNOWN_OPTIONS: KnownOptions<AgeLimitOptions> = {
  maxAge: "number",
};

/**
 * Dead-letters messages older than `maxAge` without running them.
 *
 * Age counts from the first enqueue, and retries do not reset it.
 *
 * @example Drop messages that are worthless after a minute
 * ```ts
 * import { AgeLimit, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker({ middleware: [new AgeLimit({ maxAge: 60_000 })] });
 * ```
 */
export class AgeLimit implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["maxAge"];
  readonly #maxAge: number;

  /**
   * Sets the limit.
   *
   * @param options The limit for actors that set none.
   * @throws {TypeError} If `maxAge` is not a number.
   * @throws {RangeError} If `maxAge` is not above 0.
   */
  constructor(options: AgeLimitOptions = {}) {
    assertKnownOptions("AgeLimit", options, KNOWN_OPTIONS);
    const { maxAge = Infinity } = options;
    if (!(maxAge > 0)) {
      throw new RangeError(`Cannot limit age to ${maxAge} ms: it must be above 0`);
    }
    this.#maxAge = maxAge;
  }

  /** Refuses an invalid limit. */
  checkActorOptions(actor: Actor): void {
    checkNumberOption(actor, "maxAge", { least: 0, isExclusive: true });
  }

  /** Fails a message that is past its limit, and skips its actor. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    const maxAge = numberOption(broker, message, "maxAge", this.#maxAge, MESSAGE_RULE);
    if (maxAge === Infinity || broker.clock.now() - message.messageTimestamp < maxAge) return;

    message.fail(); // A skipped message that has not failed would be acknowledged.
    throw new SkipMessage(`Message ${message.messageId} is past its age limit of ${maxAge} ms`);
  }
}
