import { redactUrl } from "../redact.ts";
import type { MemcachedAddress } from "./socket.ts";

/**
 * Chooses the server of a key as libmemcached does by default: Jenkins's one-at-a-time hash of signed
 * bytes, modulo the number of servers.
 *
 * @param key The key.
 * @param count Number of servers.
 * @returns Index of the server in the list.
 */
export function serverIndex(key: string, count: number): number {
  if (count === 1) return 0;
  let hash = 0;
  for (const byte of new Int8Array(new TextEncoder().encode(key))) {
    hash = (hash + byte) >>> 0;
    hash = (hash + (hash << 10)) >>> 0;
    hash = (hash ^ (hash >>> 6)) >>> 0;
  }
  hash = (hash + (hash << 3)) >>> 0;
  hash = (hash ^ (hash >>> 11)) >>> 0;
  hash = (hash + (hash << 15)) >>> 0;
  return hash % count;
}

/**
 * Parses the address of a server.
 *
 * @param server `host:port`, or `host` for port 11211.
 * @throws {TypeError} If it is not valid.
 */
export function parseServer(server: string): MemcachedAddress {
  // The scheme only makes it a URL. Sockets take an IPv6 address without its brackets.
  const url = typeof server === "string" && !server.includes("/")
    ? URL.parse(`tcp://${server}`)
    : null;
  if (url === null || url.hostname === "" || url.username !== "") {
    throw new TypeError(
      `Cannot connect to memcached at "${redactUrl(server)}": it must be host:port; a user and a ` +
        "password are options",
    );
  }
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port: Number(url.port || 11211) };
}
