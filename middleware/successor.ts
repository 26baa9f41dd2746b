import type { Broker } from "../core/broker.ts";
import { BrokerConnectionError, SuccessorNotStored } from "../core/errors.ts";
import { errorMessage } from "../core/thrown.ts";
import type { Message } from "../core/message.ts";

/** Attempts to store a successor while the server is away. */
const ATTEMPTS = 5;
/** Milliseconds between two of them. */
const PAUSE = 1_000;

/**
 * Sends what must outlive the message that is being processed.
 *
 * @param broker The broker.
 * @param what What it is, for the error text: "the retry".
 * @param cause The message that it follows from.
 * @param make Makes the message, and says by how many milliseconds it is to be delayed
 *   if it is; what it throws counts as not stored, too.
 * @throws {SuccessorNotStored} If it could not be stored: the worker must not
 *   acknowledge then.
 */
export async function sendSuccessor(
  broker: Broker,
  what: string,
  cause: Message,
  make: () => { message: Message; delay?: number | undefined },
): Promise<void> {
  await storeSuccessor(broker, what, () => {
    const { message, delay } = make();
    return broker.enqueue(message, { delay, cause });
  });
}

/**
 * Stores what must outlive the message that is being processed. A server that is away
 * gets some seconds to come back: what was stored before this cannot be taken back, and
 * to run the message again would store it twice.
 *
 * @param broker The broker.
 * @param what What it is, for the error text: "the retry".
 * @param store Stores it; what it throws counts as not stored.
 * @returns What that gave.
 * @throws {SuccessorNotStored} If it could not be stored: the worker must not
 *   acknowledge then.
 */
export async function storeSuccessor<T>(
  broker: Broker,
  what: string,
  store: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await store();
    } catch (error) {
      if (!(error instanceof BrokerConnectionError) || attempt === ATTEMPTS) {
        throw new SuccessorNotStored(`Cannot store ${what}: ${errorMessage(error)}`, {
          cause: error,
        });
      }
    }
    await new Promise<void>((resolve) => broker.clock.setTimer(resolve, PAUSE));
  }
}
