/**
 * Scripts for heartbeats, and for the recovery of messages of dead workers. The rules of `scripts.ts`
 * apply.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { NOW } from "./scripts.ts";
import { PARSE, SUSPECT } from "./suspect_scripts.ts";

/**
 * Renews the heartbeat of a worker, stores its report, and reads the states of its queues.
 *
 * Heartbeats in the future are set to now: a Python worker whose clock is ahead, or any worker after
 * the clock of the server was set back, would otherwise be found dead too late. The report is written
 * by pcall: a user without the permission for that keeps its heartbeat.
 *
 * KEYS: heartbeats, reports, names of queues, counts of the minute, then for each queue with consumers
 * its list, unacknowledged and etas.
 * ARGV: now or "", broker id, heartbeat timeout in milliseconds, report of the worker or "", then names
 * and values of its counts.
 * Result: 1 if there was a heartbeat, the number of dead brokers, the time, then for each queue the
 * numbers of ready and of unacknowledged messages, and the earliest eta or nil.
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
 * Lists brokers with a recent heartbeat.
 *
 * KEYS: heartbeats. ARGV: now or "", broker id, maximum age in milliseconds. Result: their ids, at most
 * 1,000.
 */
export const LIST_BROKERS: Script = /* @__PURE__ */ new Script(
  "list brokers",
  `${NOW}
return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', now - ARGV[3], 'LIMIT', 0, 1000)
`,
);

/**
 * Takes the lock of the recovery.
 *
 * KEYS: heartbeats, lock. ARGV: broker id, milliseconds until it expires. Result: nil if another worker
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
 * Requeues unacknowledged messages of a dead broker, in no order.
 *
 * KEYS: heartbeats, its unacknowledged, queue, messages; suspects, unless it is a delay queue.
 * ARGV: its id, time up to which a heartbeat counts as dead, maximum.
 * Result: how many are left; 0 if the broker is alive after all.
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
 * Removes heartbeats and reports of dead brokers.
 *
 * KEYS: heartbeats, reports.
 * ARGV: time up to which a heartbeat counts as dead, then ids.
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
 * Finds brokers without a heartbeat in the delay registry.
 *
 * KEYS: heartbeats, delay registry.
 * ARGV: index of the first and of the last entry to read.
 * Result: number of entries read, then those without a heartbeat.
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
 * Removes reports of workers without a heartbeat.
 *
 * KEYS: heartbeats, reports.
 * ARGV: cursor, approximate number of reports.
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
 * Removes the report of a broker, and its heartbeat unless it has unacknowledged messages.
 *
 * KEYS: heartbeats, reports, then unacknowledged of this broker for each queue.
 * ARGV: broker id, "1" if it may have a report: producers have none, and need no permission to remove
 * it.
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
