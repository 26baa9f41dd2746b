/**
 * The operations of rate limiters and barriers in Redis: one atomic script for each.
 *
 * Counters are texts of whole numbers, as Python's dramatiq writes them. Their time to live starts
 * again at each change, so scripts use `SET` rather than `INCRBY`, which would keep the old one.
 *
 * All keys of one script begin alike. On a cluster they must be in one slot, which needs braces in
 * the key of the limiter. The other keys of a group are named so that they are in the slot of its
 * counter.
 *
 * Source of keys and values: `tests/vectors/rate_limits.json`.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";

/**
 * Sets a counter, unless there is one.
 *
 * KEYS: counter.
 * ARGV: value, ttl in ms.
 * Result: 1 if it was set, else 0.
 */
export const ADD: Script = /* @__PURE__ */ new Script(
  "set a counter",
  `
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
`,
);

/**
 * Counts up to a maximum.
 *
 * KEYS: counter.
 * ARGV: amount, maximum, ttl in ms.
 * Result: 1 if it was counted, else 0.
 */
export const INCR: Script = /* @__PURE__ */ new Script(
  "count up",
  `
local value = (redis.call('GET', KEYS[1]) or 0) + ARGV[1]
if value > tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', value), 'PX', ARGV[3])
return 1
`,
);

/**
 * Counts down to a minimum.
 *
 * KEYS: counter.
 * ARGV: amount, minimum, ttl in ms.
 * Result: 1 if it was counted, else 0; nothing if there is no counter.
 */
export const DECR: Script = /* @__PURE__ */ new Script(
  "count down",
  `
local current = redis.call('GET', KEYS[1])
local value = (current or 0) - ARGV[1]
if value < tonumber(ARGV[2]) then return current and 0 end
redis.call('SET', KEYS[1], string.format('%.0f', value), 'PX', ARGV[3])
return 1
`,
);

/**
 * Executes many {@linkcode INCR} and {@linkcode DECR}, in order.
 *
 * KEYS: counter of each operation.
 * ARGV: of each operation "+" or "-", amount, maximum or minimum, ttl in ms.
 * Result: the result of each, or -1 for one that failed and has changed nothing.
 */
export const COUNT_MANY: Script = /* @__PURE__ */ new Script(
  "count",
  `
local function count(key, kind, amount, bound, ttl)
  local current = redis.call('GET', key)
  local value = current or 0
  if kind == '+' then
    value = value + amount
    if value > tonumber(bound) then return 0 end
  else
    value = value - amount
    if value < tonumber(bound) then return current and 0 or false end
  end
  redis.call('SET', key, string.format('%.0f', value), 'PX', ttl)
  return 1
end
local results = {}
for i, key in ipairs(KEYS) do
  local isDone, result = pcall(count, key, unpack(ARGV, 4 * i - 3, 4 * i))
  if isDone then results[i] = result else results[i] = -1 end
end
return results
`,
);

/**
 * Counts up, if the sum of some counters stays within a maximum.
 *
 * KEYS: counter, then the counters to sum up.
 * ARGV: amount, maximum, ttl in ms.
 * Result: 1 if it was counted, else 0.
 */
export const INCR_AND_SUM: Script = /* @__PURE__ */ new Script(
  "count up within a window",
  `
local value = (redis.call('GET', KEYS[1]) or 0) + ARGV[1]
local maximum = tonumber(ARGV[2])
if value > maximum then return 0 end
local sum = tonumber(ARGV[1])
for first = 2, #KEYS, 1000 do
  local counts = redis.call('MGET', unpack(KEYS, first, math.min(first + 999, #KEYS)))
  for i = 1, #counts do sum = sum + (counts[i] or 0) end
end
if sum > maximum then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', value), 'PX', ARGV[3])
return 1
`,
);

/**
 * Takes, renews or ends a lease, by the clock of the server.
 *
 * KEYS: sorted set of holders, by the time in ms at which their leases end.
 * ARGV: holder, maximum number of holders, ttl in ms or 0.
 * Result: 1 if the holder has it now, else 0.
 */
export const LEASE: Script = /* @__PURE__ */ new Script(
  "take a lease",
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.3f', now))
if ARGV[3] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
local isHeld = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not isHeld and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.3f', now + ARGV[3]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(last - now)))
return 1
`,
);

/**
 * Wakes the waiters of a barrier. Python's waiters wait for an item in this list, which they leave
 * there.
 *
 * KEYS: list.
 * ARGV: ttl in ms.
 */
export const NOTIFY: Script = /* @__PURE__ */ new Script(
  "wake those who wait at a barrier",
  `
redis.call('RPUSH', KEYS[1], 'x')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
`,
);

/**
 * Counts a member of a group down from its barrier, once, and returns the state of the group.
 * The counter stays at 1 when the last member is counted, as Python leaves it; the hash shows
 * whether a 1 means one member left or none.
 *
 * KEYS: counter, hash.
 * ARGV: member, ttl in ms, lowest value that means that the callbacks have been sent, ttl of a
 * claim in ms.
 * Result: "waiting", "complete", "claimed", "concluded" or "missing".
 *
 * Fields of the hash: "m:" and the id of each member that was counted; "complete" when all
 * were; "claim", the time in ms, by the server's clock, until which a worker may send the callbacks.
 */
export const COUNT_MEMBER: Script = /* @__PURE__ */ new Script(
  "count a member of a group",
  `
local left = tonumber(redis.call('GET', KEYS[1]))
if not left then return 'missing' end
if left > tonumber(ARGV[3]) then return 'concluded' end
if redis.call('HSETNX', KEYS[2], 'm:' .. ARGV[1], 1) == 1 then
  if left > 1 then
    redis.call('SET', KEYS[1], string.format('%.0f', left - 1), 'PX', ARGV[2])
  else
    redis.call('HSET', KEYS[2], 'complete', 1)
  end
end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
if redis.call('HEXISTS', KEYS[2], 'complete') == 0 then return 'waiting' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(redis.call('HGET', KEYS[2], 'claim') or 0) > now then return 'claimed' end
redis.call('HSET', KEYS[2], 'claim', string.format('%.0f', now + ARGV[4]))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'complete'
`,
);

/**
 * Notes that the callbacks of a group have been sent.
 *
 * KEYS: counter, hash.
 * ARGV: new value of the counter, ttl in ms.
 */
export const CONCLUDE: Script = /* @__PURE__ */ new Script(
  "note that the callbacks of a group were sent",
  `
redis.call('UNLINK', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
`,
);
