import { assertEquals } from "@std/assert";
import { type RedisReply, sendCommands } from "../../support/servers/resp.ts";
import type { RedisServer } from "../../support/servers/redis.ts";

/** One key in the form of the capture; `ttl_ms` is −1 for ever. */
export type DumpedKey =
  | {
    readonly type: "list";
    readonly ttl_ms: number;
    readonly value: readonly string[];
    readonly order?: "unspecified";
  }
  | { readonly type: "set"; readonly ttl_ms: number; readonly value: readonly string[] }
  | { readonly type: "zset"; readonly ttl_ms: number; readonly value: readonly ScoredMember[] }
  | {
    readonly type: "hash";
    readonly ttl_ms: number;
    readonly value: Readonly<Record<string, string>>;
  };

/** A member of a sorted set. */
export interface ScoredMember {
  readonly member: string;
  /** A placeholder in the capture, and then a text. */
  readonly score: number | string;
}

/** A whole database, by key. */
export type Dump = Readonly<Record<string, DumpedKey>>;

/**
 * Reads the whole database at one instant.
 *
 * Returns for each key its name, type, time to live and values: those of a list in its
 * order, fields and values of a hash, members and scores of a sorted set.
 */
const DUMP = `
local reads = {
  list = {"LRANGE", 0, -1}, set = {"SMEMBERS"}, hash = {"HGETALL"},
  zset = {"ZRANGE", 0, -1, "WITHSCORES"},
}
local dump = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind = redis.call("TYPE", key).ok
  local read = reads[kind]
  local values = read and redis.call(read[1], key, unpack(read, 2)) or {}
  dump[#dump + 1] = {key, kind, redis.call("PTTL", key), values}
end
return dump
`;

/** Commands that write the value of a key of each type. */
const WRITES = { list: "RPUSH", set: "SADD", zset: "ZADD", hash: "HSET" };

/**
 * Reads all keys of the server's database.
 *
 * @param server A server that nobody else uses.
 * @param ignored The names of keys that are left out.
 * @returns The keys, with values as they are.
 */
export async function readDump(server: RedisServer, ignored?: RegExp): Promise<Dump> {
  const keys = await server.command("EVAL", DUMP, 0) as [string, string, number, RedisReply[]][];
  return Object.fromEntries(
    keys.filter(([key]) => !ignored?.test(key))
      .map(([key, type, ttl, values]) => [key, toKey(type, ttl, values as string[])]),
  );
}

function toKey(type: string, ttl_ms: number, values: readonly string[]): DumpedKey {
  switch (type) {
    case "list":
    case "set":
      return { type, ttl_ms, value: values };
    case "hash":
      return { type, ttl_ms, value: Object.fromEntries(pairs(values)) };
    case "zset":
      return {
        type,
        ttl_ms,
        value: pairs(values).map(([member, score]) => ({ member, score: Number(score) })),
      };
    default:
      throw new TypeError(`Cannot read a ${type}: no broker has one`);
  }
}

function pairs(values: readonly string[]): [string, string][] {
  return values.flatMap((value, i) => i % 2 === 0 ? [[value, values[i + 1]!]] : []);
}

/**
 * Makes a database what another program would have left.
 *
 * @param server Where to.
 * @param dump Keys with real values in place of placeholders.
 */
export async function writeDump(server: RedisServer, dump: Dump): Promise<void> {
  const commands = Object.entries(dump).map(([name, key]) => [
    WRITES[key.type],
    name,
    ...flatten(key),
  ]);
  await sendCommands(server, [["FLUSHDB"], ...commands]);
}

function flatten(key: DumpedKey): (string | number)[] {
  switch (key.type) {
    case "hash":
      return Object.entries(key.value).flat();
    case "zset":
      return key.value.flatMap(({ member, score }) => [score, member]);
    default:
      return [...key.value];
  }
}

/**
 * Makes sure that a database is what it should be.
 *
 * @param actual What it is, in the form of the capture.
 * @param expected What it should be; the order of its lists counts unless it is unspecified.
 * @param step When this is, for the error text.
 */
export function assertSameDump(actual: Dump, expected: Dump, step: string): void {
  const unordered = new Set(
    Object.entries(expected).flatMap(([name, key]) => "order" in key ? [name] : []),
  );
  assertEquals(inOneOrder(actual, unordered), inOneOrder(expected, unordered), step);
}

/** Puts what has no order into one. */
function inOneOrder(dump: Dump, unordered: ReadonlySet<string>): Dump {
  return Object.fromEntries(
    Object.entries(dump).map(([name, key]) => [name, sortKey(key, unordered.has(name))]),
  );
}

function sortKey(key: DumpedKey, isUnordered: boolean): DumpedKey {
  switch (key.type) {
    case "list":
      return isUnordered ? { type: "list", ttl_ms: key.ttl_ms, value: key.value.toSorted() } : key;
    case "set":
      return { ...key, value: key.value.toSorted() };
    case "zset": // Their scores say all there is to say of the order of the members.
      return { ...key, value: key.value.toSorted((a, b) => a.member < b.member ? -1 : 1) };
    case "hash":
      return key;
  }
}
