import { LIST_BROKERS } from "./recovery_scripts.ts";
import { type RedisSession, runWithRetry } from "./session.ts";

/** Milliseconds within which a broker was heard of: an idle worker in Python is every few seconds. */
const HEARD_LATELY = 15_000;
/** Place of the version in the text of a UUID. */
const VERSION_AT = 14;
/** Version of UUIDs that are made by rules of one's own. Python's dramatiq takes version 4. */
const VERSION = "8";

/** Makes the id of a broker: a UUID by which it is known to be one of this library. */
export function newBrokerId(): string {
  const uuid = crypto.randomUUID();
  return uuid.slice(0, VERSION_AT) + VERSION + uuid.slice(VERSION_AT + 1);
}

/**
 * Finds brokers of other libraries that were heard of lately: workers in Python, and programs in
 * Python that have just sent something.
 *
 * @param session The broker.
 * @returns Their ids.
 */
export async function findForeignBrokers(session: RedisSession): Promise<string[]> {
  const reply = await runWithRetry(session, LIST_BROKERS, [], [HEARD_LATELY]) as unknown[];
  return reply.map(String).filter((id) => id[VERSION_AT] !== VERSION);
}
