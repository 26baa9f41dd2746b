/**
 * Scripts with which inspectors read. None renews a heartbeat, since an inspector is not a worker. Each
 * reads a bounded number of messages and bytes.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { NOW } from "./scripts.ts";

/** Maximum of queues in one call of {@linkcode OVERVIEW}. */
export const QUEUES_PER_CALL = 100;
/** Number of positions around its last known one at which a message is searched. */
export const WINDOW = 500;

const TIME = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Lua that reads a message: `{id, score, length, text}`. A long text comes as its beginning and its
 * end, two elements, which are empty once 4 MiB of long texts were read. The result is nil for an id
 * without a text.
 */
const CONTENTS = `
local total = 0
local function content(messages, id, score)
  local length = redis.call('HSTRLEN', messages, id)
  local entry = {id, score, length}
  if length == 0 and redis.call('HEXISTS', messages, id) == 0 then return nil end
  if length <= 16384 then
    entry[4] = redis.call('HGET', messages, id)
  elseif total < 4194304 then
    local text = redis.call('HGET', messages, id)
    total = total + length
    entry[4], entry[5] = string.sub(text, 1, 2048), string.sub(text, -2048)
  else
    entry[4], entry[5] = '', ''
  end
  return entry
end
`;

/**
 * Counts the messages of queues.
 *
 * KEYS: of each queue its list, messages, delayed messages and dead letters.
 * Result: the time, then for each queue four counts, and the text of the first message: the end of a
 * long one, nil if the queue is empty.
 */
export const OVERVIEW: Script = /* @__PURE__ */ new Script(
  "count the messages of all queues",
  `${TIME}
local result = {now}
for i = 1, #KEYS, 4 do
  local id = redis.call('LINDEX', KEYS[i], 0)
  local head = id and redis.call('HGET', KEYS[i + 1], id)
  if head and #head > 16384 then head = string.sub(head, -2048) end
  result[#result + 1] = {
    redis.call('LLEN', KEYS[i]),
    redis.call('HLEN', KEYS[i + 1]),
    redis.call('HLEN', KEYS[i + 2]),
    redis.call('ZCARD', KEYS[i + 3]),
    head
  }
end
return result
`,
);

/**
 * Reads messages of a list, in order or in reverse.
 *
 * KEYS: list, messages.
 * ARGV: position and id of the last message read, or the first position and "", maximum, "1" for
 * reverse.
 * Result: the time, the length of the list, the number of messages, the position of the first entry,
 * 1 if the id was not found, and entries with their positions.
 */
export const LIST: Script = /* @__PURE__ */ new Script(
  "list messages",
  `${TIME}${CONTENTS}
local length = redis.call('LLEN', KEYS[1])
local start, count, reverse = tonumber(ARGV[1]), tonumber(ARGV[3]), ARGV[4] == '1'
local moved = 0
if reverse and start < 0 then start = length - 1 end
if ARGV[2] ~= '' then
  -- Messages are taken off the front, so that it is mostly nearer to that than it was.
  local from = math.max(0, start - ${WINDOW})
  local found = nil
  for i, id in ipairs(redis.call('LRANGE', KEYS[1], from, start + ${WINDOW})) do
    if id == ARGV[2] then found = from + i - 1 end
  end
  if found then
    start = reverse and found - 1 or found + 1
  else
    moved = 1
    -- One that was taken leaves all others before its place.
    if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 and not reverse then start = 0 end
    if start >= length then start = reverse and length - 1 or 0 end
  end
end
local ids
if reverse then
  ids = start < 0 and {} or redis.call('LRANGE', KEYS[1], math.max(0, start - count + 1), start)
else
  ids = redis.call('LRANGE', KEYS[1], start, start + count - 1)
end
local entries = {}
for i = 1, #ids do
  local position = reverse and start - i + 1 or start + i - 1
  entries[i] = content(KEYS[2], reverse and ids[#ids - i + 1] or ids[i], position) or
    {reverse and ids[#ids - i + 1] or ids[i], position}
end
return {now, length, redis.call('HLEN', KEYS[2]), start, moved, entries}
`,
);

/**
 * Reads messages of a sorted set, by score, those of one score by id.
 *
 * KEYS: sorted set, messages.
 * ARGV: id and score of the last message read, or "" twice, maximum, "1" for reverse, minimum of the
 * scores, and the score below which they must be.
 * Result: the time, the number of ids, the number of messages, 1 if there are more, and entries with
 * their scores.
 */
export const RANGE: Script = /* @__PURE__ */ new Script(
  "list messages",
  `${TIME}${CONTENTS}
local reverse = ARGV[4] == '1'
local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[5])
local high = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[6]) - 1
local function after()
  local rank = redis.call('ZRANK', KEYS[1], ARGV[1])
  if rank then
    local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
    if tonumber(score) == tonumber(ARGV[2]) then return rank, true end
  end
  -- It is gone: its place is between those of the same score with lower and with higher ids.
  local first = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  local last = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[2])
  while first < last do
    local middle = math.floor((first + last) / 2)
    if redis.call('ZRANGE', KEYS[1], middle, middle)[1] < ARGV[1] then
      first = middle + 1
    else
      last = middle
    end
  end
  return first, false
end
if ARGV[1] ~= '' then
  local rank, found = after()
  if reverse then high = math.min(high, rank - 1)
  else low = math.max(low, found and rank + 1 or rank) end
end
local count = tonumber(ARGV[3])
local found = {}
if high >= low then
  if reverse then
    found = redis.call('ZRANGE', KEYS[1], math.max(low, high - count + 1), high, 'WITHSCORES')
  else
    found = redis.call('ZRANGE', KEYS[1], low, math.min(high, low + count - 1), 'WITHSCORES')
  end
end
local entries = {}
for i = 1, #found, 2 do
  local at = reverse and #found - i or i
  entries[#entries + 1] = content(KEYS[2], found[at], found[at + 1]) or {found[at], found[at + 1]}
end
local more = high - low + 1 > count and 1 or 0
return {now, redis.call('ZCARD', KEYS[1]), redis.call('HLEN', KEYS[2]), more, entries}
`,
);

/**
 * Reads the reports of workers.
 *
 * KEYS: heartbeats, reports.
 * ARGV: now or "", heartbeat timeout in milliseconds.
 * Result: the time, ids and reports, then ids and heartbeats of living workers, at most 1,000.
 */
export const WORKERS: Script = /* @__PURE__ */ new Script(
  "list workers",
  `${NOW}
return {
  tonumber(now),
  redis.call('HGETALL', KEYS[2]),
  redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', now - ARGV[2], 'WITHSCORES', 'LIMIT', 0, 1000)
}
`,
);
