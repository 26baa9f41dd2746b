import type { Publication } from "./publication.ts";
import { explain, PRECONDITION_FAILED, rejected, replyCode, sizeLimitOf } from "./errors.ts";

/** Maximum of times that a message is sent which the server returns, or closes the channel for. */
export const MAX_REFUSALS = 3;

/**
 * Selects the messages to send again after the server has closed their channel. One that it rejects
 * fails, at the latest when it is sent alone.
 *
 * @param underWay The unconfirmed messages, in order.
 * @param error Error of the channel.
 * @returns Those to send again, in the same order.
 */
export function toSendAgain(underWay: readonly Publication[], error: Error): Publication[] {
  return replyCode(error) === PRECONDITION_FAILED
    ? withoutRejected(underWay, error)
    : withoutRefused(underWay, error);
}

/** Fails the message that the channel was closed for, or marks all of them to be sent alone. */
function withoutRejected(underWay: readonly Publication[], error: Error): Publication[] {
  const guilty = underWay.length === 1 ? underWay[0] : tooLargeAmong(underWay, error);
  if (guilty === undefined) {
    for (const publication of underWay) publication.isSuspect = true;
    return [...underWay];
  }
  guilty.sender.failed(rejected(guilty.queueName, guilty.length, error));
  return underWay.filter((publication) => publication !== guilty);
}

function tooLargeAmong(underWay: readonly Publication[], error: Error): Publication | undefined {
  const limit = sizeLimitOf(error) ?? Infinity;
  return underWay.find(({ length }) => length > limit);
}

/** Counts a refusal of each message, and fails those with too many. */
function withoutRefused(underWay: readonly Publication[], error: Error): Publication[] {
  return underWay.filter((publication) => {
    if (++publication.refusals < MAX_REFUSALS) return true;
    publication.sender.failed(explain(`send to queue "${publication.queueName}"`, error));
    return false;
  });
}
