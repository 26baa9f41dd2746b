import { BrokerConnectionError, FollowUpNotStored } from "../core/errors.ts";
import { Cancelled, WorkerLost } from "../core/interrupt.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Outcome } from "../core/middleware.ts";
import { UndecodableMessage } from "../core/undecodable_message.ts";

/** @returns Zero for each outcome. */
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
 * How the processing of a message ended:
 *
 * - `refused`: it cannot be decoded, or its actor is not declared.
 * - `processed`: its actor and the hooks after it have ended.
 * - `skipped`: its actor did not run, or its end is ignored: `SkipMessage`, `Cancelled`, `WorkerLost`.
 * - `unfinished`: a follow-up (retry, result, callback) could not be stored; the reason is the error.
 * - `abandoned`: the worker waited no longer.
 */
export type End = "refused" | "processed" | "skipped" | "unfinished" | "abandoned";

/**
 * Decides the outcome of a message. `Settlement.settle` decides what it means for the queue.
 *
 * @param message The message; middleware may have failed it, or stored its retry.
 * @param end How its processing ended.
 * @param reason The error, for `skipped` and `unfinished`.
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
      // Its retry is stored. Requeued as well, the message would double with each such failure.
      if (message.retried) return "retried";
      const cause = reason instanceof FollowUpNotStored ? reason.cause : reason;
      return cause instanceof BrokerConnectionError ? "followUpNotStored" : "failed";
    }
    case "abandoned": // With its retry stored, the message itself is done.
      return message.retried ? "retried" : "lost";
  }
}
