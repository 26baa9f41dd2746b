import {
  type RedisControlStore,
  toChangeArguments,
  toOutcome,
} from "../../control/backends/redis.ts";
import { Script } from "../../clients/redis/script.ts";
import { STORE_WITH_CHANGES } from "../../control/backends/redis_scripts.ts";
import type { UniqueSteps } from "../../core/claim_entries.ts";
import type { ClaimValue } from "../../core/claim_entry.ts";
import { checkChanges, type ControlChange, type ControlOutcome } from "../../core/control_store.ts";
import type { Message } from "../../core/message.ts";
import { toEntry } from "./enqueue_batcher.ts";
import type { RedisSession } from "./session.ts";

/**
 * Tests whether messages are stored.
 *
 * KEYS: messages of the queue, and of its delay queue.
 * ARGV: ids.
 * Result: 1 if any of them is stored.
 */
const FIND_MESSAGE: Script = /* @__PURE__ */ new Script(
  "look for a message",
  `
for _, id in ipairs(ARGV) do
  for _, key in ipairs(KEYS) do
    if redis.call('HEXISTS', key, id) == 1 then return 1 end
  end
end
return 0
`,
);

/** Stores a message if changes are applied. */
export async function storeWithChanges(
  { brokerId, keys, serverClock, storing }: RedisSession,
  store: RedisControlStore,
  message: Message,
  changes: readonly ControlChange[],
): Promise<ControlOutcome> {
  const [id, text] = toEntry(message);
  const { queue, messages } = keys.of(message.queueName);
  const all = [...store.keys, keys.heartbeats, queue, messages];
  const changed = toChangeArguments(checkChanges(changes));
  const args = [serverClock.argument, brokerId, id, text, ...changed];
  try {
    return toOutcome(await storing.run(STORE_WITH_CHANGES, all, args));
  } catch (error) {
    return toOutcome(await storing.runUnlessRun(error, STORE_WITH_CHANGES, all, args));
  }
}

/** Steps of unique messages: a message gets a new id on Redis each time that it is enqueued. */
export function uniqueStepsOf(
  session: RedisSession,
): Pick<UniqueSteps, "isStored" | "stayOf"> {
  return {
    isStored: (claim) => isStored(session, claim),
    stayOf: (message) => String(message.option("redisMessageId")),
  };
}

/**
 * Tests whether a message that has a claim is stored, atomically: one that is promoted or delayed
 * between two commands would be missed on both queues.
 */
async function isStored(
  { connection, keys }: RedisSession,
  { queueName, stays }: ClaimValue,
): Promise<boolean> {
  const { messages, delayed } = keys.of(queueName);
  return await connection.run(FIND_MESSAGE, [messages, delayed], stays) === 1;
}
