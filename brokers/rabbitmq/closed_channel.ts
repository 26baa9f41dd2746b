import type { Publication } from "./publication.ts";
import { explain, PRECONDITION_FAILED, rejected, replyCode, sizeLimitOf } from "./errors.ts";

/** Number of times a message is sent that the server refuses, or closes the channel at. */
export const MAX_REFUSALS = 3;

/**
 * Decides what becomes of messages that were under way when the server closed their channel. One
 * that it rejects fails, at the latest when it is under way alone; the others are sent again.
 *
 * @param underWay The messages, the first one first.
 * @param error Why the server closed the channel.
 * @returns Those to send again, in the same order.
 */
export function toSendAgain(underWay: readonly Publication[], error: Error): Publication[] {
  return replyCode(error) === PRECONDITION_FAILED
    ? withoutRejected(underWay, error)
    : withoutRefused(underWay, error);
}

/** Finds the message that the channel was closed for, or has each be sent alone. */
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

/** Publications to send again although the server closed the channel: not for ever. */
function withoutRefused(underWay: readonly Publication[], error: Error): Publication[] {
  return underWay.filter((publication) => {
    if (++publication.refusals < MAX_REFUSALS) return true;
    publication.sender.failed(explain(`send to queue "${publication.queueName}"`, error));
    return false;
  });
}
