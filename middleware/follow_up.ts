import type { Broker } from "../core/broker.ts";
import { BrokerConnectionError, FollowUpNotStored } from "../core/errors.ts";
import { WorkerLost } from "../core/interrupt.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";

/** Attempts to store a follow-up while the server is unavailable, where it can be given up. */
const ATTEMPTS = 5;
/** Milliseconds between two of them. */
const PAUSE = 1_000;

/**
 * Sends what must outlive the message that is being processed.
 *
 * @param broker The broker.
 * @param what What it is, for the error text: "the retry".
 * @param delivery The message that is being processed.
 * @param make Makes the message, and says by how many milliseconds it is to be delayed
 *   if it is; what it throws counts as not stored, too.
 * @param cause The message that it follows from.
 * @throws {FollowUpNotStored} If it could not be stored: the worker must not
 *   acknowledge then.
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
 * Stores what must outlive the message that is being processed. An unavailable server
 * gets some seconds to come back: what was stored before this cannot be taken back, and
 * to run the message again would store it twice. Where the server counts how often it delivers
 * a message it gets as long as it takes: each time that the message is given back it comes
 * closer to the dead letters.
 *
 * @param broker The broker.
 * @param what What it is, for the error text: "the retry".
 * @param delivery The message that is being processed.
 * @param store Stores it; what it throws counts as not stored.
 * @returns What that gave.
 * @throws {FollowUpNotStored} If it could not be stored: the worker must not
 *   acknowledge then.
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

/** True if it would do harm to give a message back, and it can still be kept. */
function mustKeep(broker: Broker, { isLost, interruptReason }: MessageProxy): boolean {
  return broker.countsDeliveries && !isLost && !(interruptReason instanceof WorkerLost);
}
