/**
 * The scripts of a control store. Each is atomic.
 *
 * KEYS of all: three hashes of `version text` by key, namely watched entries, entries of workers,
 * and claims; expiries (a sorted set of keys by time); log (a sorted set of recently changed keys
 * by version); version (a counter). ARGV[1] of all: the time in milliseconds, or "" for the time of
 * the server.
 *
 * Kinds of entries without watchers are in the hash of workers. Claims have a hash of their own:
 * there may be as many as messages, and workers read the whole hash of workers.
 *
 * Versions count up from the time at which the first entry was stored, so that none occurs twice
 * after a flush of the server. The log starts with an empty key of that version.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";

/** Maximum of keys in the log. A watcher that is further behind reads all entries again. */
export const LOG_LENGTH = 1_000;

const KEYS_AND_TIME = `
local entries, workers, claims, expiries, log, counter = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local now = ARGV[1]
if now == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
now = tonumber(now)
`;

const FUNCTIONS = `
local unwatched = {worker = true, specs = true, tick = true, run = true, begun = true, claim = true}
local function isWatched(key)
  return not unwatched[string.match(key, '^[^/]*') or '']
end

local function hash_of(key)
  if string.sub(key, 1, 6) == 'claim/' then return claims end
  return isWatched(key) and entries or workers
end

local function next_version(key)
  if redis.call('EXISTS', counter) == 0 then
    redis.call('SET', counter, now)
    redis.call('DEL', log)
    redis.call('ZADD', log, now, '')
  end
  local version = redis.call('INCR', counter)
  redis.call('ZADD', log, version, key)
  redis.call('ZREMRANGEBYRANK', log, 0, -${LOG_LENGTH + 1})
  return version
end

local function remove(key)
  redis.call('ZREM', expiries, key)
  if not isWatched(key) then
    redis.call('HDEL', hash_of(key), key)
  elseif redis.call('HDEL', entries, key) == 1 then
    next_version(key)
  end
end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now)) do remove(key) end
`;

const SHARED = KEYS_AND_TIME + FUNCTIONS;

/**
 * Reads entries.
 *
 * ARGV: now or "", the prefix of their keys.
 * Result: now, the version, then key and `version text` of each.
 */
export const READ: Script = /* @__PURE__ */ new Script(
  "read control entries",
  `${SHARED}
local prefix = ARGV[2]
local result = {now, redis.call('GET', counter) or ''}
local hashes = {entries, workers, claims}
if string.find(prefix, '/') then hashes = {hash_of(prefix)} end
for _, hash in ipairs(hashes) do
  local all = redis.call('HGETALL', hash)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, #prefix) == prefix then
      result[#result + 1] = all[i]
      result[#result + 1] = all[i + 1]
    end
  end
end
return result
`,
);

/**
 * Reads single entries.
 *
 * ARGV: now or "", their keys, without duplicates.
 * Result: like {@linkcode READ}.
 */
export const READ_KEYS: Script = /* @__PURE__ */ new Script(
  "read single control entries",
  `${SHARED}
local result = {now, redis.call('GET', counter) or ''}
for i = 2, #ARGV do
  local stored = redis.call('HGET', hash_of(ARGV[i]), ARGV[i])
  if stored then
    result[#result + 1] = ARGV[i]
    result[#result + 1] = stored
  end
end
return result
`,
);

/**
 * Part of scripts: changes entries, all or none. If none, the script returns; otherwise it
 * continues.
 *
 * ARGV from index `first`: key, text, milliseconds to live, expected version and earliest time of
 * each change; "" for: remove the entry, never expire, any version, any time. Defines the function
 * `outcome`, whose result the script must return: 1 or 0, now, then key and `version text` of each
 * entry with an expected version; "" if it does not exist.
 */
const CHANGE_OR_RETURN = `
local known = {}
local function stored(key)
  local text = known[key] or redis.call('HGET', hash_of(key), key) or ''
  known[key] = text
  return text
end

local function outcome(applied)
  local result = {applied, now}
  for i = first, #ARGV, 5 do
    if ARGV[i + 3] ~= '' then
      result[#result + 1] = ARGV[i]
      result[#result + 1] = stored(ARGV[i])
    end
  end
  return result
end

for i = first, #ARGV, 5 do
  local isEarly = ARGV[i + 4] ~= '' and tonumber(ARGV[i + 4]) > now
  local version = ARGV[i + 3] ~= '' and (string.match(stored(ARGV[i]), '^%d+') or '0')
  if isEarly or version and version ~= ARGV[i + 3] then return outcome(0) end
end
for i = first, #ARGV, 5 do
  local key, text, ttl = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if text == '' then
    remove(key)
    known[key] = ''
  else
    local before, version = stored(key)
    if isWatched(key) then
      version = next_version(key)
    else
      version = math.max(now, (tonumber(string.match(before, '^%d+')) or 0) + 1)
    end
    known[key] = version .. ' ' .. text
    redis.call('HSET', hash_of(key), key, known[key])
    if ttl ~= '' then
      redis.call('ZADD', expiries, now + ttl, key)
    elseif before ~= '' then
      redis.call('ZREM', expiries, key)
    end
  end
end
`;

/**
 * Changes entries, all of them or none.
 *
 * ARGV: now or "", then the changes.
 * Result: the outcome.
 */
export const CHANGE: Script = /* @__PURE__ */ new Script(
  "change control entries",
  `local first = 2${SHARED}${CHANGE_OR_RETURN}return outcome(1)`,
);

/**
 * Appends a message to a queue if changes of the control store are applied.
 *
 * KEYS: those of the control store (6), heartbeats, queue, messages.
 * ARGV: now or "", broker id, id and text of the message, then the changes.
 * Result: the outcome of the changes.
 *
 * The most frequent change, a new claim without expiry, takes one command: no version is compared,
 * and no claim can have expired.
 */
export const STORE_WITH_CHANGES: Script = /* @__PURE__ */ new Script(
  "store a message with control entries",
  `local first = 5${KEYS_AND_TIME}
local function store()
  redis.call('HSET', KEYS[9], ARGV[3], ARGV[4])
  redis.call('RPUSH', KEYS[8], ARGV[3])
  redis.call('ZADD', KEYS[7], now, ARGV[2])
end

if #ARGV == 9 and ARGV[6] ~= '' and ARGV[7] == '' and ARGV[8] == '0' and ARGV[9] == '' and
  string.sub(ARGV[5], 1, 6) == 'claim/'
then
  local text = now .. ' ' .. ARGV[6]
  if redis.call('HSETNX', claims, ARGV[5], text) == 1 then
    store()
    return {1, now, ARGV[5], text}
  end
end
${FUNCTIONS}${CHANGE_OR_RETURN}
store()
return outcome(1)
`,
);

/**
 * Reads the entries that have changed since a version.
 *
 * ARGV: now or "", the version that was seen last. Result: the version, then key and `version text`
 * of changed entries, with "" for removed ones; false if the log does not reach back to that
 * version.
 */
export const POLL: Script = /* @__PURE__ */ new Script(
  "look for changes of control entries",
  `${SHARED}
local version = redis.call('GET', counter) or ''
local seen = ARGV[2]
if version == seen then return {version} end
local first = redis.call('ZRANGE', log, 0, 0, 'WITHSCORES')[2] or version
if version == '' or seen == '' or tonumber(seen) > tonumber(version) or
  tonumber(seen) < tonumber(first) - 1
then
  return false
end
local result = {version}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', log, '(' .. seen, '+inf')) do
  result[#result + 1] = key
  result[#result + 1] = redis.call('HGET', entries, key) or ''
end
return result
`,
);
