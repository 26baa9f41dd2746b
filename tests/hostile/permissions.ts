/**
 * Users of servers with the permissions of `docs/security.md`.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../cli/fixture.ts";
import { type RedisServer, startOwnRedis } from "../support/servers/redis.ts";

/** Text of `docs/security.md`. */
export const PAGE: string = await readFile(join(ROOT, "docs", "security.md"), "utf8");

/** Error text of Redis, of commands, keys and what scripts do. */
export const DENIED: RegExp =
  /no permissions|The user executing the script can't|ACL failure in script/;

/** Arguments of the commands of the page that begin with some words, as a shell reads them. */
export function commandsOf(start: string): string[][] {
  const text = PAGE.replaceAll("\\\n", " ");
  const lines = text.split("\n").filter((line) => line.startsWith(`${start} `));
  return lines.map((line) =>
    Array.from(
      line.slice(start.length).matchAll(/'([^']*)'|((?:\\.|\S)+)/g),
      ([, quoted, plain]) => quoted ?? plain!.replaceAll("\\", ""),
    )
  );
}

/** A Redis with the users of the page, which records denied commands. */
export async function startWithUsers(): Promise<RedisServer> {
  const server = await startOwnRedis();
  for (const rules of commandsOf("redis-cli ACL SETUSER")) {
    await server.command("ACL", "SETUSER", ...rules);
  }
  return server;
}

export function urlOf(user: string, { host, port }: RedisServer): string {
  return `redis://${user}:password@${host}:${port}`;
}

/** Commands that users were denied, but for what the library asks for and does without. */
export async function denials(server: RedisServer): Promise<unknown[]> {
  const entries = await server.command("ACL", "LOG") as unknown[][];
  const objects = entries.map((entry) => String(entry[entry.indexOf("object") + 1]));
  return objects.filter((name) => !/^(?:config\|get|client\|setinfo|info)$/.test(name));
}
