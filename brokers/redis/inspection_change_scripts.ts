/**
 * Scripts with which inspectors change messages, and workers withdraw their reports. Each begins with
 * a command that frees memory, see `scripts.ts`.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { WINDOW } from "./inspection_scripts.ts";

/** Maximum of messages of one call of {@linkcode PURGE_STATE}. */
export const PURGE_BATCH = 1_000;

/**
 * Replaces a dead letter or delayed message by a message on its queue.
 *
 * KEYS: sorted set and hash that hold it, queue, messages, then the delay queue if it is delayed.
 * ARGV: old id, new id and text.
 * Result: 1 if it was stored, now or in an earlier run whose reply was lost.
 */
export const REPLACE: Script = /* @__PURE__ */ new Script(
  "requeue a message",
  `
local found = redis.call('ZREM', KEYS[1], ARGV[1])
if found == 0 and KEYS[5] then found = redis.call('LREM', KEYS[5], 1, ARGV[1]) end
if found == 0 then return redis.call('HEXISTS', KEYS[4], ARGV[2]) end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[2], ARGV[3])
redis.call('RPUSH', KEYS[3], ARGV[2])
return 1
`,
);

/**
 * Drops dead letters or delayed messages.
 *
 * KEYS: sorted set and hash that hold them, then the delay queue if they are delayed.
 * ARGV: ids.
 * Result: for each id 1 if it was stored, or 0.
 */
export const DROP_SORTED: Script = /* @__PURE__ */ new Script(
  "drop messages",
  `
local result = {}
for i, id in ipairs(ARGV) do
  local found = redis.call('ZREM', KEYS[1], id)
  if found == 0 and KEYS[3] then found = redis.call('LREM', KEYS[3], 1, id) end
  if found == 1 then redis.call('HDEL', KEYS[2], id) end
  result[i] = found
end
return result
`,
);

/**
 * Drops messages of a list that are near each other, in one pass: their elements are overwritten with
 * a tombstone, then all tombstones are removed.
 *
 * KEYS: list, messages.
 * ARGV: position of the first and of the last message, tombstone, ids.
 * Result: for each id 1 if it was dropped, 2 if only its text was found, or 0.
 */
export const DROP_LISTED: Script = /* @__PURE__ */ new Script(
  "drop messages",
  `
redis.call('HDEL', KEYS[2], '')
local wanted, removed = {}, 0
for i = 4, #ARGV do wanted[ARGV[i]] = true end
local from = math.max(0, tonumber(ARGV[1]) - ${WINDOW})
local to = tonumber(ARGV[2])
local ids = redis.call('LRANGE', KEYS[1], from, to)
for i, id in ipairs(ids) do
  if wanted[id] then
    redis.call('LSET', KEYS[1], from + i - 1, ARGV[3])
    wanted[id] = false
    removed = removed + 1
  end
end
if removed > 0 then
  local sign = from > redis.call('LLEN', KEYS[1]) / 2 and -1 or 1
  redis.call('LREM', KEYS[1], sign * removed, ARGV[3])
end
local result = {}
for i = 4, #ARGV do
  if wanted[ARGV[i]] == false then
    result[#result + 1] = redis.call('HDEL', KEYS[2], ARGV[i])
    wanted[ARGV[i]] = nil
  else
    result[#result + 1] = redis.call('HEXISTS', KEYS[2], ARGV[i]) * 2
  end
end
return result
`,
);

/**
 * Drops one message of a list at any position: Redis searches the whole list.
 *
 * KEYS: list, messages.
 * ARGV: id.
 * Result: 1 if it was there.
 */
export const DROP_ANYWHERE: Script = /* @__PURE__ */ new Script(
  "drop a message",
  `
local found = redis.call('LREM', KEYS[1], 1, ARGV[1])
if found == 1 then redis.call('HDEL', KEYS[2], ARGV[1]) end
return found
`,
);

/**
 * Drops the first messages of a list or sorted set.
 *
 * KEYS: list or sorted set, messages.
 * ARGV: "LPOP" or "ZPOPMIN", how many.
 * Result: number of ids removed, and number of those that had a text.
 */
export const PURGE_STATE: Script = /* @__PURE__ */ new Script(
  "purge a queue",
  `
local taken = redis.call(ARGV[1], KEYS[1], ARGV[2]) or {}
local ids = {}
for i = 1, #taken, ARGV[1] == 'ZPOPMIN' and 2 or 1 do ids[#ids + 1] = taken[i] end
if #ids == 0 then return {0, 0} end
return {#ids, redis.call('HDEL', KEYS[2], unpack(ids))}
`,
);

/**
 * Removes the report of a worker, and adds its last counts.
 *
 * KEYS: reports, counts of the minute.
 * ARGV: broker id, report of the other workers of that broker or "", then names and counts.
 */
export const WITHDRAW: Script = /* @__PURE__ */ new Script(
  "withdraw a report",
  `
redis.call('HDEL', KEYS[1], ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1]) end
if #ARGV > 2 then redis.call('EXPIRE', KEYS[2], 7200) end
`,
);
