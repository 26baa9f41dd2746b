import type { RedisServer } from "../support/servers/redis.ts";

/**
 * Keys that the broker keeps of its own: who is alive, who serves what, a lock that expires, and what
 * workers report, with when that expires.
 */
const KEPT = [
  ...["dramatiq:__heartbeats__", "dramatiq:__delays__", "dramatiq:__sweep__"],
  ...["dramatiq:__control__.workers", "dramatiq:__control__.expiries", "dramatiq:__queues__"],
  "dramatiq:__workers__",
];
/** Counts of each minute, which expire. */
const COUNTS = /^dramatiq:__minutes__:/;

const SAMPLE = 3;

/**
 * Looks for messages, and for anything else that work leaves behind.
 *
 * @returns The keys that should not be there, each with its size and some of it.
 */
export async function findLeftovers(server: RedisServer): Promise<string[]> {
  const keys = (await server.command("KEYS", "*") as string[]).filter((key) =>
    !KEPT.includes(key) && !COUNTS.test(key)
  );
  return await Promise.all(keys.toSorted().map((key) => describe(server, key)));
}

/** Commands that show what is in a key: its size, and some of it. */
const COMMANDS: Record<string, readonly [size: string, ...sample: (string | number)[]]> = {
  list: ["LLEN", "LRANGE", 0, SAMPLE - 1],
  hash: ["HLEN", "HRANDFIELD", SAMPLE, "WITHVALUES"],
  set: ["SCARD", "SRANDMEMBER", SAMPLE],
  zset: ["ZCARD", "ZRANGE", 0, SAMPLE - 1, "WITHSCORES"],
};

async function describe(server: RedisServer, key: string): Promise<string> {
  const type = await server.command("TYPE", key) as string;
  const commands = COMMANDS[type];
  if (commands === undefined) return `${key}: ${type}`;
  const [size, command, ...args] = commands;
  const count = await server.command(size, key);
  return `${key}: ${count}, as ${JSON.stringify(await server.command(command!, key, ...args))}`;
}
