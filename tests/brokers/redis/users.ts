import type { RedisServer } from "../../support/servers/redis.ts";

/** Permissions that a user may lack without which Redis tells of no changes, and the rule that takes it away. */
export const DEAF_USERS: readonly (readonly [what: string, rule: string])[] = [
  ["CLIENT TRACKING", "-client|tracking"],
  ["CLIENT", "-client"],
  ["any channel", "resetchannels"],
  ["SUBSCRIBE", "-subscribe"],
];

/**
 * Adds a user who may do everything, but for what some rules take away.
 *
 * @returns The URL with which that user connects.
 */
export async function addUser(server: RedisServer, ...rules: string[]): Promise<string> {
  const name = `user-${crypto.randomUUID()}`;
  await server.command("ACL", "SETUSER", name, "on", ">secret", "~*", "&*", "+@all", ...rules);
  return `redis://${name}:secret@127.0.0.1:${server.port}`;
}
