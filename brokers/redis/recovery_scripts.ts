/**
 * Scripts for heartbeats of workers, and for the recovery of messages that dead workers had in
 * flight. The rules of `scripts.ts` apply.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { NOW } from "./scripts.ts";
import { PARSE, SUSPECT } from "./suspect_scripts.ts";

/**
 * Renews the heartbeat of a worker and looks around. Heartbeats from the future, of a Python
 * worker whose clock is ahead or from before the server's was set back, count as of now: else
 * their worker would not be found dead for as long. A report that may not be written costs no
 * heartbeat: its commands are called by pcall.
 *
 * KEYS: heartbeats, reports, names of queues, counts of the minute, then for each queue with consumers
 * that, unacknowledged and etas.
 * ARGV: now or "", broker id, milliseconds for which a heartbeat counts, the report of the worker or
 * "", then names and counts of what it has done.
 * Result: whether there was a heartbeat, how many brokers are dead, the time, then for each
 * queue how many messages are on its queue and unacknowledged, and the earliest eta
 * or nothing.
 */
export const HEARTBEAT: Script = /* @__PURE__ */ new Script(
  "renew the heartbeat",
  `${NOW}
local known = redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[2])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
  redis.call('ZADD', KEYS[1], now, id)
end
if ARGV[4] ~= '' then
  redis.pcall('HSET', KEYS[2], ARGV[2], ARGV[4])
  for i = 5, #KEYS, 3 do redis.pcall('SADD', KEYS[3], string.sub(KEYS[i], #KEYS[3] - 9)) end
end
for i = 5, #ARGV, 2 do redis.pcall('HINCRBY', KEYS[4], ARGV[i], ARGV[i + 1]) end
if #ARGV > 4 then redis.pcall('EXPIRE', KEYS[4], 7200) end
local result = {known, redis.call('ZCOUNT', KEYS[1], '-inf', now - ARGV[3]), tonumber(now)}
for i = 5, #KEYS, 3 do
  result[#result + 1] = redis.call('LLEN', KEYS[i])
  result[#result + 1] = redis.call('SCARD', KEYS[i + 1])
  result[#result + 1] = redis.call('ZRANGE', KEYS[i + 2], 0, 0, 'WITHSCORES')[2] or false
end
return result
`,
);

/**
 * Lists brokers that were heard of lately.
 *
 * KEYS: heartbeats. ARGV: now or "", broker id, milliseconds. Result: their ids, at most 1,000.
 */
export const LIST_BROKERS: Script = /* @__PURE__ */ new Script(
  "list brokers",
  `${NOW}
return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', now - ARGV[3], 'LIMIT', 0, 1000)
`,
);

/**
 * Reserves the recovery for one worker.
 *
 * KEYS: heartbeats, the lock. ARGV: broker id, milliseconds. Result: nothing if another worker
 * holds it.
 */
export const LOCK: Script = /* @__PURE__ */ new Script(
  "reserve the recovery",
  `
redis.call('ZREM', KEYS[1], '')
return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
`,
);

/**
 * Gives back what a dead broker had not acknowledged, in no order.
 *
 * KEYS: heartbeats, its unacknowledged, queue, messages; suspects, unless it is a delay queue.
 * ARGV: its id, the heartbeat of those that are dead, how many at most.
 * Result: how many are left, 0 also when it is alive after all.
 */
export const TAKE_OVER: Script = /* @__PURE__ */ new Script(
  "take over messages",
  `${PARSE}${SUSPECT}
local heartbeat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if heartbeat and tonumber(heartbeat) > tonumber(ARGV[2]) then return 0 end
local ids = {}
for _, id in ipairs(redis.call('SPOP', KEYS[2], ARGV[3])) do
  if redis.call('HEXISTS', KEYS[4], id) == 1 then ids[#ids + 1] = id end
end
if #ids > 0 then redis.call('RPUSH', KEYS[3], unpack(ids)) end
if KEYS[5] then suspect(KEYS[5], ARGV[1], ids) end
return redis.call('SCARD', KEYS[2])
`,
);

/**
 * Forgets brokers that are dead.
 *
 * KEYS: heartbeats, reports.
 * ARGV: the heartbeat of those that are dead, then ids.
 */
export const FORGET: Script = /* @__PURE__ */ new Script(
  "forget dead workers",
  `
for i = 2, #ARGV do
  local heartbeat = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if heartbeat and tonumber(heartbeat) <= tonumber(ARGV[1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
  end
end
`,
);

/**
 * Looks for workers without a heartbeat among those that sort delayed messages.
 *
 * KEYS: heartbeats, the workers that sort.
 * ARGV: index of the first and of the last entry to look at.
 * Result: number of entries looked at, then those without a heartbeat.
 */
export const LIST_SILENT: Script = /* @__PURE__ */ new Script(
  "look for workers without a heartbeat",
  `
local entries = redis.call('ZRANGE', KEYS[2], ARGV[1], ARGV[2])
local result = {#entries}
for _, entry in ipairs(entries) do
  if not redis.call('ZSCORE', KEYS[1], string.match(entry, '[^/]*$')) then
    result[#result + 1] = entry
  end
end
return result
`,
);

/**
 * Drops reports of workers without a heartbeat.
 *
 * KEYS: heartbeats, reports.
 * ARGV: cursor, how many at most, about.
 * Result: the next cursor, "0" at the end.
 */
export const FORGET_REPORTS: Script = /* @__PURE__ */ new Script(
  "drop reports of dead workers",
  `
local reply = redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])
for i = 1, #reply[2], 2 do
  if not redis.call('ZSCORE', KEYS[1], reply[2][i]) then
    redis.call('HDEL', KEYS[2], reply[2][i])
  end
end
return reply[1]
`,
);

/**
 * Takes the report of a broker away, and its heartbeat if it has nothing in flight.
 *
 * KEYS: heartbeats, reports, then unacknowledged of this broker by queue.
 * ARGV: broker id, "1" if it may have reported: producers need no permission for that.
 */
export const LEAVE: Script = /* @__PURE__ */ new Script(
  "leave",
  `
if ARGV[2] == '1' then redis.call('HDEL', KEYS[2], ARGV[1]) end
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return end
end
redis.call('ZREM', KEYS[1], ARGV[1])
`,
);
