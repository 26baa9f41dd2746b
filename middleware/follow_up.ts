import type { Broker } from "../core/broker.ts";
import { BrokerConnectionError, FollowUpNotStored } from "../core/errors.ts";
import { WorkerLost } from "../core/interrupt.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";

/** Attempts to store a follow-up while the server is unavailable, before the message is requeued. */
const ATTEMPTS = 5;
/** Milliseconds between two attempts. */
const PAUSE = 1_000;

/**
 * Sends a follow-up (retry, callback, next message of a pipeline) of the message that is being processed.
 *
 * @param broker The broker.
 * @param what Name of the follow-up, for the error text: "the retry".
 * @param delivery The message that is being processed.
 * @param make Makes the message, and its delay in milliseconds, if any. If it throws, the follow-up
 *   counts as not stored.
 * @param cause The message that caused it.
 * @throws {FollowUpNotStored} If it could not be stored: the worker must not acknowledge the message then.
 */
export async function sendFollowUp(
  broker: Broker,
  what: string,
  delivery: MessageProxy,
  make: () => { message: Message; delay?: number | undefined },
  cause: Message = delivery.message,
): Promise<void> {
  await storeFollowUp(broker, what, delivery, () => {
    const { message, delay } = make();
    return broker.enqueue(message, { delay, cause });
  });
}

/**
 * Stores a follow-up (retry, result, callback) of the message that is being processed.
 *
 * While the server is unavailable, it tries five times: if the message were requeued at once, follow-ups
 * that are stored already would be stored again. If the server dead-letters messages that are delivered
 * too often, it tries until the server is back.
 *
 * @param broker The broker.
 * @param what Name of the follow-up, for the error text: "the retry".
 * @param delivery The message that is being processed.
 * @param store Stores it. If it throws, the follow-up counts as not stored.
 * @returns The result of `store`.
 * @throws {FollowUpNotStored} If it could not be stored: the worker must not acknowledge the message then.
 */
export async function storeFollowUp<T>(
  broker: Broker,
  what: string,
  delivery: MessageProxy,
  store: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await store();
    } catch (error) {
      const isUnavailable = error instanceof BrokerConnectionError;
      if (!isUnavailable || attempt >= ATTEMPTS && !mustKeep(broker, delivery)) {
        throw new FollowUpNotStored(`Cannot store ${what}: ${errorMessage(error)}`, {
          cause: error,
        });
      }
    }
    await new Promise<void>((resolve) => broker.clock.setTimer(resolve, PAUSE));
  }
}

/** True if the message should not be requeued, and need not be. */
function mustKeep(broker: Broker, { isLost, interruptReason }: MessageProxy): boolean {
  return broker.countsDeliveries && !isLost && !(interruptReason instanceof WorkerLost);
}
