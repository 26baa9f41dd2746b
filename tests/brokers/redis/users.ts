import type { RedisServer } from "../../support/servers/redis.ts";

/** Permissions that tracking of keys needs, and the ACL rules that remove them. */
export const USERS_WITHOUT_TRACKING: readonly (readonly [what: string, rule: string])[] = [
  ["CLIENT TRACKING", "-client|tracking"],
  ["CLIENT", "-client"],
  ["any channel", "resetchannels"],
  ["SUBSCRIBE", "-subscribe"],
];

/**
 * Adds a user with all permissions except those that some rules remove.
 *
 * @returns The URL with the credentials of that user.
 */
export async function addUser(server: RedisServer, ...rules: string[]): Promise<string> {
  const name = `user-${crypto.randomUUID()}`;
  await server.command("ACL", "SETUSER", name, "on", ">secret", "~*", "&*", "+@all", ...rules);
  return `redis://${name}:secret@127.0.0.1:${server.port}`;
}
