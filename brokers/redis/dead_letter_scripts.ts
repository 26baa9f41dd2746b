/**
 * Scripts for dead letters. The rules of `scripts.ts` apply.
 *
 * @module
 */
import { Script } from "../../clients/redis/script.ts";
import { NOW } from "./scripts.ts";

/**
 * Requeues the message of a dead letter, if that is still stored.
 *
 * KEYS: heartbeats, dead letters, their messages, queue, messages.
 * ARGV: now or "", broker id, old id, new id and text.
 * Result: 1 if it was, now or in an earlier run whose reply was lost.
 */
export const REQUEUE_DEAD_LETTER: Script = /* @__PURE__ */ new Script(
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
 * Result: 1 if it was stored.
 */
export const DROP_DEAD_LETTER: Script = /* @__PURE__ */ new Script(
  "drop a dead letter",
  `${NOW}
local found = redis.call('ZREM', KEYS[2], ARGV[3])
redis.call('HDEL', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[1], now, ARGV[2])
return found
`,
);

/**
 * Drops old dead letters.
 *
 * KEYS: for each queue its dead letters and their messages.
 * ARGV: time of death up to which they are dropped, maximum for all queues together.
 * Result: how many were dropped.
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
