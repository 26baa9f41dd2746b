/**
 * All that the broker does in Redis: one script an operation, each atomic.
 *
 * Every command of a broker renews its heartbeat, as in Python. A Redis that is out of
 * memory refuses scripts that begin with a command that may grow it; those whose first
 * change only frees may go on. So all but `enqueue` begin with such a one, if need be one
 * that does nothing, and work goes on until there is memory again.
 *
 * No script writes a message itself. cjson makes `{}` of `[]` and loses long integers,
 * so texts come from the encoder and are moved as they are.
 *
 * Source of keys and values: `tests/vectors/redis_broker.json`.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { PARSE, SUSPECT, UNMARK } from "./suspect_scripts.ts";

/**
 * The time, in whole milliseconds as Python writes it: that of the server, unless the first
 * argument is another. So all workers go by one clock, whatever theirs say.
 */
const NOW = `
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/**
 * The most ids in one call. Python's limit, by what Lua can unpack, is 3,996; a
 * thousand keeps Redis busy for some milliseconds, and larger batches gain nothing.
 */
export const MAX_BATCH = 1_000;

/**
 * Puts messages at the end of a queue.
 *
 * KEYS: heartbeats, queue, messages.
 * ARGV: now or "", broker id, "1" when they may be there already, then either id and text of
 * each, or three pieces: all ids, of 36 bytes each, the lengths of all texts, and all
 * texts. Clients spend less on the latter.
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
 * Takes messages out for good, those that this broker still has, and counts them. One
 * that was taken over by another worker is its to acknowledge, and stays.
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
 * Acknowledges messages, then takes others off the front of the queue. An id without a
 * text stays with the broker that took it until that is gone, as in Python.
 *
 * KEYS: heartbeats, queue, messages, unacknowledged of this broker, suspects.
 * ARGV: now or "", broker id, how many to fetch at most, then ids to acknowledge.
 * Result: ids and texts, or nothing. Ids of 36 bytes, as all usually are, come in one
 * piece: clients spend less on that. If there are suspects, what is known of each message follows.
 */
export const FETCH: Script = /* @__PURE__ */ new Script(
  "fetch messages",
  `${NOW}${ACKNOWLEDGE}
acknowledge(KEYS[3], KEYS[4], 4)
local ids = redis.call('LPOP', KEYS[2], ARGV[3])
local texts = false
if ids then
  redis.call('SADD', KEYS[4], unpack(ids))
  texts = redis.call('HMGET', KEYS[3], unpack(ids))
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
if not ids then return false end
local suspects = nil
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
 * KEYS: heartbeats, messages, unacknowledged of this broker; suspects, if they are some.
 * ARGV: now or "", broker id, then ids.
 * Result: how many were still this broker's.
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
 * Moves messages to the dead letters, if they are still this broker's or waiting for
 * their eta.
 *
 * KEYS: heartbeats, messages, unacknowledged of this broker, etas, dead letters, their
 * messages; suspects, if they are some.
 * ARGV: now or "", broker id, then id and text of each; an empty text leaves it as it is.
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
 * Puts messages back at the end of their queue. Ids without a text are dropped.
 *
 * KEYS: heartbeats, queue, messages, unacknowledged of this broker; suspects, if some are: their
 * marks end.
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
 * Gives a score to a message with an eta, in whole milliseconds up to the end of the
 * calendar. Messages of the same millisecond keep their order: a score has twelve bits
 * left to tell them apart.
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
 * Sorts what is on a delay queue by eta, up to about a megabyte. A message without one is
 * due. Reading it is all that is done with a text; one that is no JSON is for the worker
 * to look at. What was taken off the queue must get somewhere: nothing here may fail.
 *
 * KEYS: heartbeats, delay queue, delayed messages, etas, unacknowledged of this broker, the
 * workers that sort.
 * ARGV: now or "", broker id, how many at most, "LPOP" or "RPOP" for which end to begin with, the
 * entry of this worker among those that sort.
 * Result: how many are left to sort, then ids and texts of those that are no JSON.
 */
export const SORT: Script = /* @__PURE__ */ new Script(
  "sort delayed messages",
  `${NOW}${SCORE}
local function place(id, text)
  local message = cjson.decode(text)
  local options = type(message) == 'table' and message.options
  local eta = type(options) == 'table' and options.eta
  if type(eta) ~= 'number' or eta ~= eta then eta = tonumber(now) end -- NaN is not itself
  redis.call('ZADD', KEYS[4], score(KEYS[4], eta), id)
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
      if not pcall(place, ids[i], text) then
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
 * Sorts messages that the worker has looked at. Without an eta they are due.
 *
 * KEYS: heartbeats, unacknowledged of this broker, etas.
 * ARGV: now or "", broker id, then eta, or nothing, and id of each.
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
 * Moves messages that were on the queue itself to the delayed ones, if their eta has not come.
 *
 * KEYS: heartbeats, unacknowledged of this broker, messages, etas, delayed messages.
 * ARGV: now or "", broker id, then eta and id of each.
 * Result: the ids of those that are due, and still this broker's.
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
 * Lends out delayed messages that are due. They stay where they are, with an eta at which the loan
 * ends: a worker that dies meanwhile leaves them to the others.
 *
 * KEYS: etas, delayed messages.
 * ARGV: now or "", how many at most, milliseconds of the loan.
 * Result: ids, texts, the earliest eta or nothing, and the time.
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
 * Puts delayed messages on their queue, each under a new id and once only, whoever
 * else tries.
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
 * Ends the loan of delayed messages: they are due again at once.
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
 * Puts sorted messages back on the delay queue, the first ones by eta, for workers in Python. It
 * does so only if no worker serves the queue that sorts; such a one has a young heartbeat.
 * Entries of workers without a heartbeat, which are dead, are dropped.
 *
 * KEYS: the workers that sort, heartbeats, etas, delay queue, delayed messages.
 * ARGV: now or "", queue, id of the broker that sorts no longer, milliseconds for which a heartbeat
 * is young, how many at most.
 * Result: how many are on the delay queue again, how many are left, how many workers sort.
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
 * Takes delayed messages out for good.
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

/**
 * Tells the time of the server.
 *
 * KEYS: any that is on that server.
 * ARGV: nothing, as an empty text.
 * Result: milliseconds since the epoch.
 */
export const TIME: Script = /* @__PURE__ */ new Script("read the time", `${NOW}return now`);

/**
 * Renews the heartbeat of a worker and looks around. Heartbeats from the future, of a Python
 * worker whose clock is ahead or from before the server's was set back, count as of now: else
 * nobody would find their worker dead for as long.
 *
 * KEYS: heartbeats, then for each queue with consumers that, unacknowledged and etas.
 * ARGV: now or "", broker id, milliseconds for which a heartbeat counts.
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
local result = {known, redis.call('ZCOUNT', KEYS[1], '-inf', now - ARGV[3]), tonumber(now)}
for i = 2, #KEYS, 3 do
  result[#result + 1] = redis.call('LLEN', KEYS[i])
  result[#result + 1] = redis.call('SCARD', KEYS[i + 1])
  result[#result + 1] = redis.call('ZRANGE', KEYS[i + 2], 0, 0, 'WITHSCORES')[2] or false
end
return result
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
 * KEYS: heartbeats.
 * ARGV: the heartbeat of those that are dead, then ids.
 */
export const FORGET: Script = /* @__PURE__ */ new Script(
  "forget dead workers",
  `
for i = 2, #ARGV do
  local heartbeat = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if heartbeat and tonumber(heartbeat) <= tonumber(ARGV[1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
`,
);

/**
 * Puts the message of a dead letter on its queue, if that is still there.
 *
 * KEYS: heartbeats, dead letters, their messages, queue, messages.
 * ARGV: now or "", broker id, old id, new id and text.
 * Result: 1 if it was, now or at an earlier run whose answer was lost.
 */
export const REVIVE: Script = /* @__PURE__ */ new Script(
  "requeue a dead letter",
  `${NOW}
local found = redis.call('ZREM', KEYS[2], ARGV[3])
if found == 1 then
  redis.call('HDEL', KEYS[3], ARGV[3])
  redis.call('HSET', KEYS[5], ARGV[4], ARGV[5])
  redis.call('RPUSH', KEYS[4], ARGV[4])
else
  found = redis.call('HEXISTS', KEYS[5], ARGV[4])
end
redis.call('ZADD', KEYS[1], now, ARGV[2])
return found
`,
);

/**
 * Drops a dead letter.
 *
 * KEYS: heartbeats, dead letters, their messages.
 * ARGV: now or "", broker id, id.
 * Result: 1 if it was there.
 */
export const BURY: Script = /* @__PURE__ */ new Script(
  "drop a dead letter",
  `${NOW}
local found = redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[2])
return found
`,
);

/**
 * Drops dead letters that are too old.
 *
 * KEYS: for each queue its dead letters and their messages.
 * ARGV: the time of the youngest that is too old, how many at most, of all queues.
 * Result: how many it dropped.
 */
export const EXPIRE: Script = /* @__PURE__ */ new Script(
  "drop old dead letters",
  `
local left = tonumber(ARGV[2])
for i = 1, #KEYS, 2 do
  local ids = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', ARGV[1], 'LIMIT', 0, left)
  if #ids > 0 then
    redis.call('ZREM', KEYS[i], unpack(ids))
    redis.call('HDEL', KEYS[i + 1], unpack(ids))
    left = left - #ids
  end
end
return ARGV[2] - left
`,
);

/**
 * Drops keys.
 *
 * KEYS: heartbeats, then what to drop.
 * ARGV: now or "", broker id.
 */
export const PURGE: Script = /* @__PURE__ */ new Script(
  "flush a queue",
  `${NOW}
redis.call('UNLINK', unpack(KEYS, 2))
redis.call('ZADD', KEYS[1], now, ARGV[2])
`,
);

/**
 * Counts the messages of a queue.
 *
 * KEYS: heartbeats, queue, messages, delayed messages, dead letters.
 * ARGV: now or "", broker id.
 * Result: how many are on the queue, on it or unacknowledged, delayed, and dead.
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
 * Takes the heartbeat of a broker away that has nothing in flight.
 *
 * KEYS: heartbeats, then unacknowledged of this broker by queue.
 * ARGV: broker id.
 */
export const LEAVE: Script = /* @__PURE__ */ new Script(
  "leave",
  `
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then return end
end
redis.call('ZREM', KEYS[1], ARGV[1])
`,
);
