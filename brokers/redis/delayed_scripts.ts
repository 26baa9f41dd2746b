/**
 * Scripts for delayed messages: they are sorted by eta, claimed by workers when they are due, and
 * promoted to their queue. The rules of `scripts.ts` apply.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { NOW } from "./scripts.ts";

/**
 * Lua that computes the score of an eta: whole milliseconds, up to the latest time of a `Date`, and in
 * the twelve bits that are left the order of messages with the same millisecond.
 */
const SCORE = `
local function score(etas, eta)
  eta = math.max(0, math.min(math.ceil(eta), 8.64e15))
  local last = redis.call('ZREVRANGEBYSCORE', etas, string.format('(%.0f', eta + 1),
    string.format('%.0f', eta), 'WITHSCORES', 'LIMIT', 0, 1)[2]
  local place = last and (tonumber(last) - eta) * 4096 + 1 or 0
  return string.format('%.12f', eta + math.min(place, 4095) / 4096)
end
`;

/**
 * Sorts messages of a delay queue by eta, up to about a megabyte. Texts in which no eta is found go to
 * the worker, which decodes them and calls `SCHEDULE`: the encoder may write something else than JSON,
 * or wrap the message. Popped ids must not get lost, so that nothing here may raise an error.
 *
 * KEYS: heartbeats, delay queue, delayed messages, etas, unacknowledged of this broker, the delay
 * registry.
 * ARGV: now or "", broker id, maximum, "LPOP" or "RPOP" to begin with the oldest or the newest, the
 * entry of this broker for the delay registry.
 * Result: how many are left to sort, then ids and texts of those without an eta.
 */
export const SORT: Script = /* @__PURE__ */ new Script(
  "sort delayed messages",
  `${NOW}${SCORE}
local function place(id, text)
  local message = cjson.decode(text)
  local options = type(message) == 'table' and message.options
  local eta = type(options) == 'table' and options.eta
  if type(eta) ~= 'number' then return false end
  if eta ~= eta then eta = tonumber(now) end -- NaN is not itself
  redis.call('ZADD', KEYS[4], score(KEYS[4], eta), id)
  return true
end
local strange = {}
local length = 0
local left = tonumber(ARGV[3])
while left > 0 and length < 1000000 do
  local ids = redis.call(ARGV[4], KEYS[2], math.min(left, 50))
  if not ids then break end
  left = left - #ids
  local texts = redis.call('HMGET', KEYS[3], unpack(ids))
  local first, last, step = 1, #ids, 1
  if ARGV[4] == 'RPOP' then first, last, step = #ids, 1, -1 end
  for i = first, last, step do
    local text = texts[i]
    if text then
      length = length + #text
      local isRead, isPlaced = pcall(place, ids[i], text)
      if not (isRead and isPlaced) then
        redis.call('SADD', KEYS[5], ids[i])
        strange[#strange + 1] = ids[i]
        strange[#strange + 1] = text
      end
    end
  end
end
redis.call('ZADD', KEYS[6], 0, ARGV[5])
redis.call('ZADD', KEYS[1], now, ARGV[2])
return {redis.call('LLEN', KEYS[2]), strange}
`,
);

/**
 * Sorts messages that the worker has decoded. Those without an eta are due now.
 *
 * KEYS: heartbeats, unacknowledged of this broker, etas.
 * ARGV: now or "", broker id, then eta, or "", and id of each.
 */
export const SCHEDULE: Script = /* @__PURE__ */ new Script(
  "sort delayed messages",
  `${NOW}${SCORE}
for i = 3, #ARGV, 2 do
  if redis.call('SREM', KEYS[2], ARGV[i + 1]) == 1 then
    redis.call('ZADD', KEYS[3], score(KEYS[3], tonumber(ARGV[i]) or tonumber(now)), ARGV[i + 1])
  end
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);

/**
 * Delays messages that were fetched from the queue itself before their eta.
 *
 * KEYS: heartbeats, unacknowledged of this broker, messages, etas, delayed messages.
 * ARGV: now or "", broker id, then eta and id of each.
 * Result: the ids of those that are due and that this broker still has.
 */
export const POSTPONE: Script = /* @__PURE__ */ new Script(
  "postpone messages",
  `${NOW}${SCORE}
local due = {}
for i = 3, #ARGV, 2 do
  local id = ARGV[i + 1]
  if tonumber(ARGV[i]) <= tonumber(now) then
    if redis.call('SISMEMBER', KEYS[2], id) == 1 then due[#due + 1] = id end
  elseif redis.call('SREM', KEYS[2], id) == 1 then
    local text = redis.call('HGET', KEYS[3], id)
    if text then
      redis.call('HDEL', KEYS[3], id)
      redis.call('HSET', KEYS[5], id, text)
      redis.call('ZADD', KEYS[4], score(KEYS[4], tonumber(ARGV[i])), id)
    end
  end
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
return due
`,
);

/**
 * Claims delayed messages that are due, for a limited time: the loan. They stay stored, with the end
 * of the loan as their eta, so that other workers can claim them if this one dies.
 *
 * KEYS: etas, delayed messages.
 * ARGV: now or "", maximum, milliseconds of the loan.
 * Result: ids, texts, the earliest eta or nil, and the time.
 */
export const CLAIM: Script = /* @__PURE__ */ new Script(
  "claim delayed messages",
  `${NOW}
local last = string.format('%.12f', now + 4095 / 4096)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', last, 'LIMIT', 0, ARGV[2])
local texts = {}
if #ids > 0 then
  texts = redis.call('HMGET', KEYS[2], unpack(ids))
  redis.call('ZREM', KEYS[1], unpack(ids))
  for i = 1, #ids do
    local score = string.format('%.12f', now + ARGV[3] + (i - 1) / 4096)
    if texts[i] then redis.call('ZADD', KEYS[1], score, ids[i]) end
  end
end
return {ids, texts, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or false, tonumber(now)}
`,
);

/**
 * Promotes delayed messages: moves them to their queue, each under a new id, and only once though
 * several workers may try.
 *
 * KEYS: heartbeats, etas, delayed messages, queue, messages.
 * ARGV: now or "", broker id, then old id, new id and text of each.
 */
export const PROMOTE: Script = /* @__PURE__ */ new Script(
  "promote delayed messages",
  `${NOW}
local ids = {}
for i = 3, #ARGV, 3 do
  if redis.call('ZREM', KEYS[2], ARGV[i]) == 1 then
    redis.call('HDEL', KEYS[3], ARGV[i])
    redis.call('HSET', KEYS[5], ARGV[i + 1], ARGV[i + 2])
    ids[#ids + 1] = ARGV[i + 1]
  end
end
if #ids > 0 then redis.call('RPUSH', KEYS[4], unpack(ids)) end
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);

/**
 * Ends the loan of delayed messages: they are due at once.
 *
 * KEYS: etas.
 * ARGV: now or "", then ids.
 */
export const RELEASE: Script = /* @__PURE__ */ new Script(
  "release delayed messages",
  `${NOW}
for i = 2, #ARGV do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[1], string.format('%.12f', now + (i - 2) / 4096), ARGV[i])
  end
end
`,
);

/**
 * Moves sorted messages back to the delay queue, in the order of their etas, for workers in Python,
 * unless the delay registry has a broker of the queue with a recent heartbeat. Entries of brokers
 * without a heartbeat, which are dead, are removed.
 *
 * KEYS: delay registry, heartbeats, etas, delay queue, delayed messages.
 * ARGV: now or "", queue, id of a broker to remove from the registry, maximum age of a recent
 * heartbeat in milliseconds, maximum of messages.
 * Result: how many were restored, how many are still sorted, how many brokers serve the queue.
 */
export const RESTORE: Script = /* @__PURE__ */ new Script(
  "restore delayed messages",
  `${NOW}
redis.call('ZREM', KEYS[1], ARGV[2] .. '/' .. ARGV[3])
local workers = 0
local entries = redis.call('ZRANGEBYLEX', KEYS[1], '[' .. ARGV[2] .. '/', '(' .. ARGV[2] .. '0')
for _, entry in ipairs(entries) do
  local heartbeat = redis.call('ZSCORE', KEYS[2], string.sub(entry, #ARGV[2] + 2))
  if not heartbeat then
    redis.call('ZREM', KEYS[1], entry)
  elseif tonumber(heartbeat) > now - ARGV[4] then
    workers = workers + 1
  end
end
local ids = {}
if workers == 0 then
  local first = redis.call('ZPOPMIN', KEYS[3], ARGV[5])
  for i = 1, #first, 2 do
    if redis.call('HEXISTS', KEYS[5], first[i]) == 1 then ids[#ids + 1] = first[i] end
  end
  if #ids > 0 then redis.call('RPUSH', KEYS[4], unpack(ids)) end
end
return {#ids, redis.call('ZCARD', KEYS[3]), workers}
`,
);

/**
 * Acknowledges delayed messages.
 *
 * KEYS: etas, delayed messages.
 * ARGV: ids.
 */
export const DROP: Script = /* @__PURE__ */ new Script(
  "acknowledge delayed messages",
  `
for i = 1, #ARGV do
  if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then redis.call('HDEL', KEYS[2], ARGV[i]) end
end
`,
);
