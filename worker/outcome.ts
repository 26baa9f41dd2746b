import { BrokerConnectionError, FollowUpNotStored } from "../core/errors.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Outcome } from "../core/middleware.ts";
import { UndecodableMessage } from "../core/undecodable_message.ts";

/** @returns A count of messages by outcome, before the first one. */
export function noOutcomes(): Record<Outcome, number> {
  return {
    done: 0,
    retried: 0,
    failed: 0,
    skipped: 0,
    skippedAndFailed: 0,
    cancelled: 0,
    unknownActor: 0,
    undecodable: 0,
    followUpNotStored: 0,
    lost: 0,
  };
}

/**
 * End of the way of a message through a worker:
 *
 * - `refused`: it is not a message, or its actor is not declared.
 * - `processed`: its actor, and all hooks after it, have ended.
 * - `skipped`: its actor does not count, for a reason: `SkipMessage`, `Cancelled`, `WorkerLost`.
 * - `unfinished`: what follows from it could not be stored, by the error that is the reason.
 * - `abandoned`: the worker gave it up, whatever it was doing.
 */
export type End = "refused" | "processed" | "skipped" | "unfinished" | "abandoned";

/**
 * Makes the outcome of a message: the only place that does. `Settlement.settle` decides what that
 * means for the queue.
 *
 * @param message The message; middleware may have failed it, or stored its retry.
 * @param end How its way ended.
 * @param reason The reason, where there is one.
 * @returns The outcome.
 */
export function outcomeOf(message: MessageProxy, end: End, reason?: unknown): Outcome {
  switch (end) {
    case "refused":
      return message.message instanceof UndecodableMessage ? "undecodable" : "unknownActor";
    case "processed":
      return message.failed ? "failed" : message.retried ? "retried" : "done";
    case "skipped":
      if (reason instanceof WorkerLost) return "lost";
      if (reason instanceof Cancelled) return "cancelled";
      return message.failed ? "skippedAndFailed" : "skipped";
    case "unfinished": {
      // Its retry is safe. To run or keep it besides would make two of it, and four of those.
      if (message.retried) return "retried";
      const cause = reason instanceof FollowUpNotStored ? reason.cause : reason;
      return cause instanceof BrokerConnectionError ? "followUpNotStored" : "failed";
    }
    case "abandoned": // With its retry stored, the message itself is done.
      return message.retried ? "retried" : "lost";
  }
}
