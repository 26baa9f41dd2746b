import type { Redis } from "ioredis";

const BATCH = 1_000;

/**
 * Reads the first argument of every message on a queue.
 *
 * @param redis A connection.
 * @param list Key of the list of ids.
 * @param hash Key of the hash from id to text.
 */
export async function readStored(redis: Redis, list: string, hash: string): Promise<number[]> {
  const indexes: number[] = [];
  const ids = await redis.lrange(list, 0, -1);
  for (let i = 0; i < ids.length; i += BATCH) {
    const texts = await redis.hmget(hash, ...ids.slice(i, i + BATCH));
    for (const text of texts) indexes.push(JSON.parse(text ?? "null")?.args[0]);
  }
  return indexes;
}
