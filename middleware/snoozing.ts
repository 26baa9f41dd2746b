import type { Broker } from "../core/broker.ts";
import { RateLimitExceeded } from "../core/errors.ts";
import { Snooze } from "../core/snooze.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { carriedDeaths } from "../core/suspicion.ts";
import { backoffOf, type BackoffOptions, computeBackoff } from "./backoff.ts";
import { sendFollowUp } from "./follow_up.ts";
import { counted } from "../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Retries");

/**
 * Decides whether an error snoozes its message: a `Snooze` does, and with `snoozeWhenLimited` a
 * `RateLimitExceeded`, while `maxSnoozes` allows it.
 *
 * @param broker The broker.
 * @param message The message.
 * @param exception The error of the actor.
 * @param backoff The default range of backoffs.
 * @returns Milliseconds to snooze for; `undefined` if the message has failed.
 */
export function snoozeDelay(
  broker: Broker,
  message: MessageProxy,
  exception: unknown,
  backoff: BackoffOptions,
): number | undefined {
  const isLimited = exception instanceof RateLimitExceeded &&
    broker.getOption<unknown>(message, "snoozeWhenLimited", false) === true;
  if (!(exception instanceof Snooze) && !isLimited) return undefined;
  const ofActor = broker.actors.get(message.actorName)?.options["maxSnoozes"];
  const own = message.option("maxSnoozes");
  const asked = exception instanceof Snooze ? exception.max : undefined;
  const max = asked !== undefined ? asked : own !== undefined ? own : ofActor;
  if (typeof max === "number" && message.snoozes >= max) {
    const { snoozes } = message;
    const text = "Failing message {messageId} of {actor}: it was snoozed {snoozes} time(s)";
    log.warn(counted(snoozes, text), { ...about(message, exception), snoozes });
    return undefined;
  }
  // A refusal of a limiter is not a failure: the backoff does not grow.
  return exception instanceof Snooze
    ? exception.delay
    : computeBackoff(0, backoffOf(broker, message, backoff));
}

/**
 * Stores a snoozed message, to run again later.
 *
 * @param broker The broker.
 * @param message The message.
 * @param exception The error of the actor.
 * @param delay Milliseconds to snooze for.
 */
export async function snooze(
  broker: Broker,
  message: MessageProxy,
  exception: unknown,
  delay: number,
): Promise<void> {
  const snoozes = message.snoozes + 1;
  const snoozed = message.message;
  log.info("Snoozing message {messageId} of {actor} for {delay} ms", {
    ...about(message, exception),
    delay,
    snoozes,
  });
  message.message = snoozed.copy({ options: { snoozes, ...carriedDeaths(message) } });
  await sendFollowUp(
    broker,
    "the snoozed message",
    message,
    () => ({ message: message.message, delay }),
    snoozed,
  );
  message.markSnoozed();
}
