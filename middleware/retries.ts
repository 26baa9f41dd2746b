import { showValue } from "../platform/show_value.ts";
import type { Actor } from "../core/actor.ts";
import type { ErrorClass } from "../core/actor_options.ts";
import type { Broker } from "../core/broker.ts";
import { FollowUpNotStored, RequestRejected, Retry } from "../core/errors.ts";
import { assertKnownOptions, assertType, type KnownOptions } from "../core/known_options.ts";
import { errorMessage, errorType, formatTraceback } from "../platform/thrown.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { SHORT_TRACEBACKS } from "../core/store_dead_letter.ts";
import { carriedDeaths } from "../core/suspicion.ts";
import { backoffOf, type BackoffOptions, computeBackoff, LONGEST_BACKOFF } from "./backoff.ts";
import type { Middleware, ProcessOutcome } from "../core/middleware.ts";
import { asNumber, checkBooleanOption, checkNumberOption, type NumberRule } from "./options.ts";
import { sendFollowUp } from "./follow_up.ts";
import { snooze, snoozeDelay } from "./snoozing.ts";
import { counted } from "../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Retries");

/** Options for {@linkcode Retries}. */
export interface RetriesOptions {
  /** Further attempts after the first; `null` for no limit. @default {20} */
  maxRetries?: number | null;
  /** Minimum of milliseconds before the second attempt. @default {15_000} */
  minBackoff?: number;
  /** Maximum of milliseconds before any attempt. @default {604_800_000} Seven days, the most allowed. */
  maxBackoff?: number;
  /**
   * Decides whether to retry, instead of `maxRetries`.
   *
   * @param retries Number of retries so far.
   * @param error The error of the actor.
   */
  retryWhen?: (retries: number, error: unknown) => boolean | Promise<boolean>;
}

/** The default of `maxRetries`. */
const MAX_RETRIES = 20;
const RULE: NumberRule = { least: 0 };

const KNOWN_OPTIONS: KnownOptions<RetriesOptions> = {
  maxRetries: true,
  minBackoff: "number",
  maxBackoff: "number",
  retryWhen: true,
};

/**
 * Retries failed messages with increasing delays, and dead-letters them when no attempt is left.
 *
 * Every option of the constructor can be set on an actor, and all but `retryWhen` on a message.
 * Invalid backoffs of a message are ignored in favour of the actor's. If its `retries` or
 * `maxRetries` are invalid, the message is dead-lettered when it fails, because it is unknown
 * whether it may run again. Actors have two more options: `throws`, error classes that are expected and
 * not retried, and `onRetryExhausted`, an actor that is sent the message, in wire form, and `{ retries,
 * max_retries }` when no attempt is left.
 *
 * An actor that throws `Snooze` has not failed, and runs again after the given delay. A snooze does
 * not count for `maxRetries` or the backoff and calls no callback; `maxSnoozes` limits it. With
 * `snoozeWhenLimited`, a `RateLimitExceeded` is also a snooze of about `minBackoff`.
 *
 * Source: group `retries` in `tests/vectors/retries.json`.
 *
 * @example Try three times, from one second on
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * export const flaky = actor(function flaky() {}, { maxRetries: 2, minBackoff: 1_000 });
 * ```
 */
export class Retries implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = [
    "maxRetries",
    "minBackoff",
    "maxBackoff",
    "retryWhen",
    "maxSnoozes",
    "snoozeWhenLimited",
    "throws",
    "onRetryExhausted",
  ];
  readonly #maxRetries: number | null;
  readonly #backoff: BackoffOptions;
  readonly #retryWhen: RetriesOptions["retryWhen"];

  /**
   * Sets the defaults.
   *
   * @param options Defaults for actors without these options.
   * @throws {TypeError} If one has a wrong type.
   * @throws {RangeError} If a number is below 0.
   */
  constructor(options: RetriesOptions = {}) {
    assertKnownOptions("Retries", options, KNOWN_OPTIONS);
    const {
      maxRetries = MAX_RETRIES,
      minBackoff = 15_000,
      maxBackoff = LONGEST_BACKOFF,
      retryWhen,
    } = options;
    const numbers = { maxRetries: maxRetries ?? Infinity, minBackoff, maxBackoff };
    // Unlike in other options, `null` means none, as in Python.
    assertType("create Retries", "maxRetries", numbers.maxRetries, "number");
    assertType("create Retries", "retryWhen", retryWhen ?? undefined, "function");
    for (const [name, value] of Object.entries(numbers)) {
      if (!(value >= 0)) {
        throw new RangeError(`Cannot use ${value} as ${name}: it must be 0 or more`);
      }
    }
    this.#maxRetries = maxRetries;
    this.#backoff = { minBackoff, maxBackoff };
    this.#retryWhen = retryWhen;
  }

  /** Refuses invalid options of an actor. */
  checkActorOptions(actor: Actor): void {
    for (const name of ["maxRetries", "minBackoff", "maxBackoff", "maxSnoozes"]) {
      checkNumberOption(actor, name, RULE);
    }
    checkBooleanOption(actor, "snoozeWhenLimited");
    const { throws = [], retryWhen } = actor.options;
    try {
      errorClasses(throws);
      if (retryWhen !== undefined && retryWhen !== null) assertFunction(retryWhen);
    } catch (error) {
      throw new TypeError(`Cannot declare actor "${actor.actorName}": ${errorMessage(error)}`);
    }
  }

  /** Stores the retry of a failed message, or fails it for good. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { exception }: ProcessOutcome,
  ): void | Promise<void> {
    if (exception === undefined) return;
    const delay = snoozeDelay(broker, message, exception, this.#backoff);
    if (delay !== undefined) return snooze(broker, message, exception, delay);
    return this.#afterFailure(broker, message, exception);
  }

  async #afterFailure(broker: Broker, message: MessageProxy, exception: unknown): Promise<void> {
    try {
      if (this.#isExpected(broker, message, exception)) {
        log.info(
          "Message {messageId} of {actor} failed as expected: {reason}",
          about(message, exception),
        );
        message.fail();
        return;
      }
      const retries = countRetries(message);
      const failed = message.message;
      message.message = message.message.copy({
        options: {
          retries: retries + 1,
          traceback: exception === message.exception
            ? message.traceback
            : formatTraceback(exception),
          requeueTimestamp: broker.clock.now(),
          ...carriedDeaths(message),
        },
      });
      const limit = this.#limit(broker, message);
      if (await this.#wantsRetry(broker, message, exception, retries, limit)) {
        await this.#retry(broker, message, failed, exception, retries);
      } else {
        await this.#giveUp(broker, message, exception, retries, limit);
      }
    } catch (error) {
      if (error instanceof FollowUpNotStored) throw error;
      // The options of the message or actor are invalid, and would be at each attempt.
      const reason = `${errorMessage(error)} (${errorType(exception)}: ${errorMessage(exception)})`;
      throw new FollowUpNotStored(`Cannot decide on a retry: ${reason}`, { cause: error });
    }
  }

  #isExpected(broker: Broker, message: MessageProxy, exception: unknown): boolean {
    const throws = broker.getOption<unknown>(message, "throws", []);
    return errorClasses(throws).some((one) => exception instanceof one);
  }

  /** The option `maxRetries` of the message, its actor or this middleware; `null` for no limit. */
  #limit(broker: Broker, message: MessageProxy): number | null {
    const own = message.option("maxRetries");
    if (own !== undefined) return own === null ? null : asNumber("maxRetries", own);
    const ofActor = broker.actors.get(message.actorName)?.options["maxRetries"];
    return ofActor !== undefined ? ofActor as number | null : this.#maxRetries;
  }

  async #wantsRetry(
    broker: Broker,
    message: MessageProxy,
    exception: unknown,
    retries: number,
    limit: number | null,
  ): Promise<boolean> {
    const retryWhen = broker.getOption(message, "retryWhen", this.#retryWhen);
    if (retryWhen !== undefined) {
      assertFunction(retryWhen);
      return await retryWhen(retries, exception);
    }
    return limit === null || retries < limit;
  }

  async #retry(
    broker: Broker,
    message: MessageProxy,
    failed: Message,
    exception: unknown,
    retries: number,
  ): Promise<void> {
    const asked = exception instanceof Retry ? exception.delay : undefined;
    const delay = asked ?? computeBackoff(retries, backoffOf(broker, message, this.#backoff));
    log.info("Retrying message {messageId} of {actor} in {delay} ms", {
      ...about(message, exception),
      delay,
    });
    await this.#store(broker, message, failed, exception, delay);
    message.markRetried();
  }

  /** If the server rejects the retry as too large, stores it with a shorter traceback. */
  async #store(
    broker: Broker,
    message: MessageProxy,
    failed: Message,
    exception: unknown,
    delay: number,
  ): Promise<void> {
    const send = () =>
      sendFollowUp(
        broker,
        "the retry",
        message,
        () => ({ message: message.message, delay }),
        failed,
      );
    for (const length of SHORT_TRACEBACKS) {
      try {
        return await send();
      } catch (error) {
        if (!((error as Error).cause instanceof RequestRejected)) throw error;
      }
      const traceback = formatTraceback(exception, length);
      message.message = message.message.copy({ options: { traceback } });
    }
    await send();
  }

  async #giveUp(
    broker: Broker,
    message: MessageProxy,
    exception: unknown,
    retries: number,
    limit: number | null,
  ): Promise<void> {
    log.warn(
      counted(
        retries,
        "Gave up message {messageId} of {actor} after {retries} retr(y|ies): {reason}",
      ),
      {
        ...about(message, exception),
        retries,
      },
    );
    message.fail();
    const actorName = broker.getOption<string | undefined>(message, "onRetryExhausted", undefined);
    if (actorName === undefined) return;
    await sendFollowUp(broker, `callback ${actorName}`, message, () => ({
      message: broker.getActor(actorName).message(message.message.asDict(), {
        retries,
        max_retries: limit,
      }),
    }));
  }
}

/** Number of retries so far. A negative one, from outside, counts as 0. */
function countRetries(message: MessageProxy): number {
  return Math.max(0, asNumber("retries", message.option("retries") ?? 0));
}

function assertFunction(retryWhen: unknown): void {
  if (typeof retryWhen === "function") return;
  throw new TypeError(`option retryWhen must be a function, not ${showValue(retryWhen)}`);
}

function errorClasses(throws: unknown): ErrorClass[] {
  const classes: unknown[] = Array.isArray(throws) ? throws : [throws];
  const strange = classes.find((one) => typeof one !== "function");
  if (strange === undefined) return classes as ErrorClass[];
  throw new TypeError(`option throws must be an error class, not ${showValue(strange)}`);
}
