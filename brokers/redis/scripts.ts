/**
 * Scripts for the messages of a queue: one for each operation, each atomic. Other files beside this
 * one hold the scripts for delayed messages, dead letters, suspects, and recovery.
 *
 * Every script of a broker renews its heartbeat, as in Python.
 *
 * A Redis that is out of memory refuses a script whose first writing command may allocate, and runs
 * one whose first writing command only frees. So every script but `ENQUEUE` begins with a command
 * that frees, a no-op if necessary: workers go on settling messages, which frees memory.
 *
 * No script encodes a message. cjson turns `[]` into `{}` and rounds long integers, so texts come
 * from the encoder and are moved unchanged.
 *
 * Source of keys and values: `tests/vectors/redis_broker.json`.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { PARSE, UNMARK } from "./suspect_scripts.ts";

/**
 * Lua that sets `now`, in whole milliseconds as Python writes it: the first argument, or the time of
 * the server if that is empty, so that all workers use one clock.
 */
export const NOW = `
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/**
 * Maximum of ids in one call. Python's limit, from what Lua can unpack, is 3,996; a thousand block
 * Redis for some milliseconds, and larger batches gain nothing.
 */
export const MAX_BATCH = 1_000;

/**
 * Maximum of bytes of an average text up to which texts are sent as one piece. Splitting them costs
 * Redis a third of the time that it needs to store them, at any length; the client saves 5 to 30 %
 * of its time at 200 bytes, and nothing at 1,500.
 */
export const MAX_JOINED = 1_024;

/**
 * Reads the time of the server.
 *
 * KEYS: a key of the server that is asked; its value is not read.
 * ARGV: an empty string.
 * Result: milliseconds since the epoch.
 */
export const TIME: Script = /* @__PURE__ */ new Script("read the time", `${NOW}return now`);

/**
 * Appends messages to a queue.
 *
 * KEYS: heartbeats, queue, messages.
 * ARGV: now or "", broker id, "1" if an earlier run may have stored them, then either id and text of
 * each, or three pieces, which cost the client less: all ids, of 36 bytes each, the lengths of all
 * texts, and all texts.
 */
export const ENQUEUE: Script = /* @__PURE__ */ new Script(
  "enqueue",
  `${NOW}
local ids, entries = {}, {}
if #ARGV == 6 then
  local start = 1
  for length in string.gmatch(ARGV[5], '%d+') do
    local id = string.sub(ARGV[4], #ids * 36 + 1, #ids * 36 + 36)
    ids[#ids + 1] = id
    entries[#entries + 1] = id
    entries[#entries + 1] = string.sub(ARGV[6], start, start + length - 1)
    start = start + length
  end
else
  entries = {unpack(ARGV, 4)}
  for i = 1, #entries, 2 do ids[#ids + 1] = entries[i] end
end
if ARGV[3] == '1' then
  ids = {}
  for i = 1, #entries, 2 do
    if redis.call('HSETNX', KEYS[3], entries[i], entries[i + 1]) == 1 then
      ids[#ids + 1] = entries[i]
    end
  end
else
  redis.call('HSET', KEYS[3], unpack(entries))
end
if #ids > 0 then redis.call('RPUSH', KEYS[2], unpack(ids)) end
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);

/**
 * Lua that acknowledges messages and returns their number. A message that another worker has taken
 * over is skipped: that worker will acknowledge it.
 */
const ACKNOWLEDGE = `
local function acknowledge(messages, unacknowledged, first)
  if not ARGV[first] then return 0 end
  local held = redis.call('SMISMEMBER', unacknowledged, unpack(ARGV, first))
  local ids = {}
  for i = 1, #held do
    if held[i] == 1 then ids[#ids + 1] = ARGV[i + first - 1] end
  end
  if #ids > 0 then
    redis.call('SREM', unacknowledged, unpack(ids))
    redis.call('HDEL', messages, unpack(ids))
  end
  return #ids
end
`;

/**
 * Acknowledges messages, then fetches others from the front of the queue. An id without a text stays
 * unacknowledged until its broker is dead, as in Python.
 *
 * KEYS: heartbeats, queue, messages, unacknowledged of this broker, suspects.
 * ARGV: now or "", broker id, maximum to fetch, "1" for ids without their texts, then ids to
 * acknowledge.
 * Result: nil if the queue is empty, or ids, texts or nil, and the suspects' entries or nil. Ids of 36
 * bytes come in one piece, which costs the client less.
 */
export const FETCH: Script = /* @__PURE__ */ new Script(
  "fetch messages",
  `${NOW}${ACKNOWLEDGE}
acknowledge(KEYS[3], KEYS[4], 5)
local ids = redis.call('LPOP', KEYS[2], ARGV[3])
local texts = false
if ids then
  redis.call('SADD', KEYS[4], unpack(ids))
  if ARGV[4] ~= '1' then texts = redis.call('HMGET', KEYS[3], unpack(ids)) end
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
if not ids then return false end
local suspects = false
if redis.call('EXISTS', KEYS[5]) == 1 then
  suspects = redis.call('HMGET', KEYS[5], unpack(ids))
end
for i = 1, #ids do
  if #ids[i] ~= 36 then return {ids, texts, suspects} end
end
return {table.concat(ids), texts, suspects}
`,
);

/**
 * Acknowledges messages.
 *
 * KEYS: heartbeats, messages, unacknowledged of this broker; suspects, if the messages are such.
 * ARGV: now or "", broker id, then ids.
 * Result: how many this broker still had.
 */
export const ACK: Script = /* @__PURE__ */ new Script(
  "acknowledge messages",
  `${NOW}${ACKNOWLEDGE}
local count = acknowledge(KEYS[2], KEYS[3], 3)
if KEYS[4] then redis.call('HDEL', KEYS[4], unpack(ARGV, 3)) end
redis.call('ZADD', KEYS[1], now, ARGV[2])
return count
`,
);

/**
 * Dead-letters messages, if this broker still has them or they wait for their eta.
 *
 * KEYS: heartbeats, messages, unacknowledged of this broker, etas, dead letters, their
 * messages; suspects, if the messages are such.
 * ARGV: now or "", broker id, then id and text of each; an empty text keeps the stored one.
 */
export const NACK: Script = /* @__PURE__ */ new Script(
  "dead-letter messages",
  `${NOW}
for i = 3, #ARGV, 2 do
  local id = ARGV[i]
  if redis.call('SREM', KEYS[3], id) + redis.call('ZREM', KEYS[4], id) > 0 then
    local text = redis.call('HGET', KEYS[2], id)
    if text then
      if ARGV[i + 1] ~= '' then text = ARGV[i + 1] end
      redis.call('HDEL', KEYS[2], id)
      redis.call('ZADD', KEYS[5], now, id)
      redis.call('HSET', KEYS[6], id, text)
    end
    if KEYS[7] then redis.call('HDEL', KEYS[7], id) end
  end
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);

/**
 * Requeues messages at the end of their queue. Ids without a text are dropped.
 *
 * KEYS: heartbeats, queue, messages, unacknowledged of this broker; suspects, if some of the messages
 * are such, to remove their marks.
 * ARGV: now or "", broker id, then ids.
 */
export const REQUEUE: Script = /* @__PURE__ */ new Script(
  "requeue messages",
  `${NOW}${PARSE}${UNMARK}
local ids = {}
for i = 3, #ARGV do
  if redis.call('SREM', KEYS[4], ARGV[i]) == 1
    and redis.call('HEXISTS', KEYS[3], ARGV[i]) == 1 then
    ids[#ids + 1] = ARGV[i]
  end
end
if #ids > 0 then redis.call('RPUSH', KEYS[2], unpack(ids)) end
if KEYS[5] then unmark(KEYS[5], ids) end
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);

/**
 * Counts the messages of a queue.
 *
 * KEYS: heartbeats, queue, messages, delayed messages, dead letters.
 * ARGV: now or "", broker id.
 * Result: numbers of ready messages, of ready and unacknowledged ones, of delayed ones, and of dead
 * letters.
 */
export const COUNT: Script = /* @__PURE__ */ new Script(
  "count messages",
  `${NOW}
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[2])
return {
  redis.call('LLEN', KEYS[2]),
  redis.call('HLEN', KEYS[3]),
  redis.call('HLEN', KEYS[4]),
  redis.call('ZCARD', KEYS[5])
}
`,
);

/**
 * Deletes keys.
 *
 * KEYS: heartbeats, then those to delete.
 * ARGV: now or "", broker id.
 */
export const PURGE: Script = /* @__PURE__ */ new Script(
  "flush a queue",
  `${NOW}
redis.call('UNLINK', unpack(KEYS, 2))
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);
