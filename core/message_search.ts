import { BrokerConnectionError } from "./errors.ts";
import type {
  FoundMessages,
  InspectedMessage,
  InspectOptions,
  Inspector,
  MessagePage,
  MessageState,
} from "./inspection.ts";

/** Milliseconds after which a search ends. */
const MAX_MS = 2_000;
/** States in the order in which a message is looked for. */
const STATES: readonly MessageState[] = ["dead", "delayed", "unacknowledged", "ready"];
/** Number of places that a search looks for: a message is stored in one, or in two by chance. */
const ENOUGH = 10;

/**
 * Looks for a message by its id among what workers run, and on one page of each queue and state: the
 * newest dead letters, the next delayed messages, the first ready ones.
 *
 * @param inspector Reads the pages.
 * @param messageId The id.
 * @param options A signal that ends it.
 * @returns Where the message was found.
 */
export async function findMessages(
  inspector: Inspector,
  messageId: string,
  options: InspectOptions,
): Promise<FoundMessages> {
  const endsAt = performance.now() + MAX_MS;
  const workers = inspector.abilities.has("workers") ? await inspector.workers(options) : [];
  const running = workers.flatMap((worker) =>
    worker.messages.filter((one) => one.messageId === messageId)
      .map((message) => ({ worker, message }))
  );
  const { queues, isPartial } = await inspector.overview(options);
  const messages: InspectedMessage[] = [];
  let scanned = 0;
  let isComplete = !isPartial;
  const states = STATES.filter((state) => inspector.abilities.has(`browse:${state}`));
  for (const state of states) {
    for (const queue of queues) {
      if (queue[state] === 0) continue;
      if (performance.now() >= endsAt || messages.length >= ENOUGH) {
        return { messages, running, scanned, isComplete: false };
      }
      const { queueName } = queue;
      const query = { queueName, state, messageId, limit: ENOUGH };
      let page: MessagePage;
      try {
        page = await inspector.list(query, options);
      } catch (error) {
        // Others can be searched while one that could not be counted is unavailable.
        if (queue[state] !== undefined || !(error instanceof BrokerConnectionError)) throw error;
        isComplete = false;
        continue;
      }
      messages.push(...page.messages);
      scanned += page.scanned;
      if (page.next !== undefined) isComplete = false;
    }
  }
  return { messages, running, scanned, isComplete };
}
