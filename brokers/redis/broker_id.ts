import { LIST_BROKERS } from "./recovery_scripts.ts";
import { type RedisSession, runWithRetry } from "./session.ts";

/**
 * Maximum age of a heartbeat, in milliseconds, for its broker to be listed: an idle worker in Python
 * renews its own every few seconds.
 */
const RECENT = 15_000;
/** Index of the version in the text of a UUID. */
const VERSION_AT = 14;
/** Version of vendor-specific UUIDs. Python's dramatiq uses version 4. */
const VERSION = "8";

/** Makes the id of a broker: a UUID whose version marks it as one of this library. */
export function newBrokerId(): string {
  const uuid = crypto.randomUUID();
  return uuid.slice(0, VERSION_AT) + VERSION + uuid.slice(VERSION_AT + 1);
}

/**
 * Finds brokers of other libraries with a recent heartbeat: workers in Python, and programs in Python
 * that have just sent a message.
 *
 * @param session The broker.
 * @returns Their ids.
 */
export async function findForeignBrokers(session: RedisSession): Promise<string[]> {
  const reply = await runWithRetry(session, LIST_BROKERS, [], [RECENT]) as unknown[];
  return reply.map(String).filter((id) => id[VERSION_AT] !== VERSION);
}
