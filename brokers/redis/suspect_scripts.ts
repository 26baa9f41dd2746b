/**
 * Scripts for suspects: messages that were in flight when a worker died.
 *
 * A suspect is marked while it runs. Its entry is `deaths|broker|note|notes`: the number of workers that
 * died while they ran it, the broker that has marked it now, the note of that broker's worker, and the
 * notes of the workers that died.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";

/** Lua that parses an entry. A missing one counts as zero deaths. */
export const PARSE = `
local function parse(entry)
  local deaths, broker, note, notes = string.match(entry or '', '^(%d+)|([^|]*)|([^|]*)|(.*)$')
  return tonumber(deaths) or 0, broker or '', note or '', notes or ''
end
`;

/**
 * Lua that makes suspects of the messages of a dead broker, and counts a death for those that it had
 * marked. It follows `PARSE`; `suspects` is the key, `ids` are the messages.
 */
export const SUSPECT = `
local function suspect(suspects, dead, ids)
  for _, id in ipairs(ids) do
    local deaths, broker, note, notes = parse(redis.call('HGET', suspects, id))
    if broker == dead then
      deaths = deaths + 1
      if #notes < 1000 then notes = notes .. (notes == '' and '' or '; ') .. note end
    end
    redis.call('HSET', suspects, id, deaths .. '|||' .. notes)
  end
end
`;

/** Lua that removes marks. It follows `PARSE`. */
export const UNMARK = `
local function unmark(suspects, ids)
  for _, id in ipairs(ids) do
    local entry = redis.call('HGET', suspects, id)
    if entry then
      local deaths, _, _, notes = parse(entry)
      redis.call('HSET', suspects, id, deaths .. '|||' .. notes)
    end
  end
end
`;

/**
 * Marks suspects that are about to start.
 *
 * KEYS: heartbeats, unacknowledged of this broker, suspects.
 * ARGV: now or "", broker id, note of its worker, then ids.
 * Result: the ids that this broker still has.
 */
export const BEGIN: Script = /* @__PURE__ */ new Script(
  "begin messages",
  `${PARSE}
local begun = {}
redis.call('ZREM', KEYS[1], '')
for i = 4, #ARGV do
  if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 1 then
    local deaths, _, _, notes = parse(redis.call('HGET', KEYS[3], ARGV[i]))
    redis.call('HSET', KEYS[3], ARGV[i],
      deaths .. '|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. notes)
    begun[#begun + 1] = ARGV[i]
  end
end
return begun
`,
);

/**
 * Removes entries of messages that are gone: workers in Python settle messages without doing so.
 *
 * KEYS: suspects, messages.
 * ARGV: cursor, approximate number of entries.
 * Result: the next cursor.
 */
export const FORGET_SUSPECTS: Script = /* @__PURE__ */ new Script(
  "forget suspects",
  `
local reply = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
for i = 1, #reply[2], 2 do
  if redis.call('HEXISTS', KEYS[2], reply[2][i]) == 0 then
    redis.call('HDEL', KEYS[1], reply[2][i])
  end
end
return reply[1]
`,
);
