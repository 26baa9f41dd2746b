import type { Buffer } from "node:buffer";
import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import type { Message } from "../../core/message.ts";
import type { QueueKeys } from "./keys.ts";
import { type RedisArgument, toArgument } from "../../clients/redis/reply.ts";
import { DROP_DEAD_LETTER, REQUEUE_DEAD_LETTER } from "./dead_letter_scripts.ts";
import { type RedisSession, runWithRetry } from "./session.ts";

/** Id and time of death of a dead letter, as Redis writes them. */
type Entry = readonly [id: string, score: string];

/**
 * Reads the dead letters of a queue in the order of their deaths, those of one millisecond by id.
 *
 * Pages continue from the last time of death, not from a rank, which changes when dead letters are
 * requeued or dropped meanwhile.
 *
 * Source: scenarios `nack` in `tests/vectors/redis_broker.json`.
 *
 * @param session The broker.
 * @param queueName The queue.
 * @param pageSize Number of dead letters that are read at once.
 */
export async function* readDeadLetters(
  session: RedisSession,
  queueName: string,
  pageSize: number,
): AsyncGenerator<StoredDeadLetter> {
  const { connection, keys } = session;
  const queueKeys = keys.of(queueName);
  const { deadLetters, deadMessages } = queueKeys;
  const read = (...command: [name: string, ...RedisArgument[]]) =>
    connection.command("read dead letters", ...command);
  const [last] = toEntries(await read("zrevrange", deadLetters, 0, 0, "WITHSCORES"));
  if (last === undefined) return;

  let from = "-inf";
  /** Ids of those that died at `from`: the next page begins with them again. */
  let seen = new Set<string>();
  while (true) {
    const range = [deadLetters, from, last[1], "WITHSCORES"] as const;
    const limit = ["LIMIT", 0, pageSize + seen.size] as const;
    const entries = toEntries(await read("zrangebyscore", ...range, ...limit))
      .filter(([id]) => !seen.has(id)).slice(0, pageSize);
    if (entries.length === 0) return;

    const ids = entries.map(([id]) => id);
    const texts = await read("hmget", deadMessages, ...ids) as (Buffer | null)[];
    for (const [i, [id, score]] of entries.entries()) {
      const data = texts[i];
      // Without a text, it has just been removed by another process.
      if (data) yield storedDeadLetter(session, queueKeys, id, { data, diedAt: Number(score) });
    }
    const next = entries.at(-1)![1];
    if (next !== from) seen = new Set();
    from = next;
    for (const [id, score] of entries) {
      if (score === from) seen.add(id);
    }
  }
}

function storedDeadLetter(
  session: RedisSession,
  { queue, messages, deadLetters, deadMessages }: QueueKeys,
  id: string,
  facts: Pick<StoredDeadLetter, "data" | "diedAt">,
): StoredDeadLetter {
  return {
    ...facts,
    async requeue(message: Message): Promise<boolean> {
      const keys = [deadLetters, deadMessages, queue, messages];
      const newId = message.option("redis_message_id") as string | undefined ?? id;
      const text = toArgument(message.encode());
      return await runWithRetry(session, REQUEUE_DEAD_LETTER, keys, [id, newId, text]) === 1;
    },
    async drop(): Promise<boolean> {
      return await runWithRetry(session, DROP_DEAD_LETTER, [deadLetters, deadMessages], [id]) === 1;
    },
  };
}

function toEntries(reply: unknown): Entry[] {
  const parts = (reply as Buffer[]).map(String);
  return Array.from({ length: parts.length / 2 }, (_, i) => [parts[2 * i]!, parts[2 * i + 1]!]);
}
