import type { Broker } from "../core/broker.ts";
import { errorMessage, SuccessorNotStored } from "../core/errors.ts";
import type { Message } from "../core/message.ts";

/**
 * Sends what must outlive the message that is being processed.
 *
 * @param broker The broker.
 * @param what What it is, for the error text: "the retry".
 * @param make Makes the message, and says by how many milliseconds it is to be delayed
 *   if it is; what it throws counts as not stored, too.
 * @throws {SuccessorNotStored} If it could not be stored: the worker must not
 *   acknowledge then.
 */
export async function sendSuccessor(
  broker: Broker,
  what: string,
  make: () => { message: Message; delay?: number | undefined },
): Promise<void> {
  try {
    const { message, delay } = make();
    await broker.enqueue(message, { delay });
  } catch (error) {
    throw new SuccessorNotStored(`Cannot store ${what}: ${errorMessage(error)}`, { cause: error });
  }
}
