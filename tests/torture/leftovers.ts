import type { RedisServer } from "../support/servers/redis.ts";

/** What the broker keeps of its own: who is alive, and a lock that expires. */
const KEPT = ["dramatiq:__heartbeats__", "dramatiq:__sweep__"];

/**
 * Looks for messages, and for anything else that work leaves behind.
 *
 * @returns The keys that should not be there, each with its size.
 */
export async function findLeftovers(server: RedisServer): Promise<string[]> {
  const keys = (await server.command("KEYS", "*") as string[]).filter((key) => !KEPT.includes(key));
  return await Promise.all(keys.toSorted().map((key) => describe(server, key)));
}

const SIZE_COMMANDS: Record<string, string> = {
  list: "LLEN",
  hash: "HLEN",
  set: "SCARD",
  zset: "ZCARD",
};

async function describe(server: RedisServer, key: string): Promise<string> {
  const type = await server.command("TYPE", key) as string;
  const command = SIZE_COMMANDS[type];
  return `${key}: ${command === undefined ? type : await server.command(command, key)}`;
}
