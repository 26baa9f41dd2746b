import type { Broker } from "../core/broker.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { UndecodableMessage } from "../core/undecodable_message.ts";
import { outcomeOf } from "./outcome.ts";
import type { Settlement } from "./settlement.ts";

const log = /* @__PURE__ */ getLogger("worker", "delayed");

/**
 * Moves a due message from the delay queue to its queue: stores it there first, then settles it.
 * Never rejects.
 *
 * @param broker The broker of both queues.
 * @param message A message of the delay queue.
 * @param settlement Settles it.
 */
export async function moveDelayed(
  broker: Broker,
  message: MessageProxy,
  settlement: Settlement,
): Promise<void> {
  if (message.message instanceof UndecodableMessage) {
    return settlement.settle(message, outcomeOf(message, "refused"));
  }
  try {
    const before = broker.emit("beforeDelayMessage", message);
    if (before !== undefined) await before;
  } catch (error) {
    // Python loses the message here.
    log.error(
      "Processing message {messageId} of {actor} despite a failed middleware: {reason}",
      about(message, error),
    );
  }
  await move(broker, message, settlement);
  const after = broker.emit("afterDelayMessage", message);
  if (after !== undefined) await after;
}

async function move(broker: Broker, message: MessageProxy, settlement: Settlement): Promise<void> {
  if (settlement.isStale) return; // it is delivered again
  try {
    await broker.enqueueDue(message);
  } catch (error) {
    log.error(
      "Failed to promote message {messageId} of {actor}: {reason}",
      about(message, error),
    );
    const outcome = outcomeOf(message, "unfinished", error);
    if (outcome === "failed") {
      message.stuffException(error);
      message.fail();
    }
    return settlement.settle(message, outcome);
  }
  settlement.settle(message, "done");
}
