import { RequestRejected } from "./errors.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";

const log = /* @__PURE__ */ getLogger("broker");

/** Characters of a traceback that are tried when the server has no room for all of it. */
export const SHORT_TRACEBACKS: readonly number[] = [1_000, 100];

/**
 * Stores a dead letter with as much of its traceback as the server takes, and at the worst as
 * the message was delivered: in that form the server has stored it before.
 *
 * @param delivery What is given up.
 * @param delivered The message as it was delivered.
 * @param store Stores a dead letter.
 * @throws {RequestRejected} If the server rejects all forms.
 * @throws What `store` throws otherwise.
 */
export async function storeDeadLetter(
  delivery: MessageProxy,
  delivered: Message,
  store: (deadLetter: Message) => Promise<unknown>,
): Promise<void> {
  let reason: RequestRejected;
  try {
    return void await store(delivery.deadLetter);
  } catch (error) {
    if (!(error instanceof RequestRejected)) throw error;
    reason = error;
  }
  for (const length of SHORT_TRACEBACKS) {
    try {
      return void await store(delivery.deadLetterWithin(length));
    } catch (error) {
      if (!(error instanceof RequestRejected)) throw error;
    }
  }
  log.warn(
    "Dead-lettering message {messageId} of {actor} as it was delivered, without a traceback: " +
      "{reason}",
    about(delivery, reason),
  );
  await store(delivered);
}
