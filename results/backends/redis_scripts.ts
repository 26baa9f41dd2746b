import { Script } from "../../clients/redis/script.ts";

/**
 * Stores results, each in place of whatever stands under its key.
 *
 * Lists of one element, as Python has them, so that its `BRPOPLPUSH` wakes.
 *
 * - keys: those of the results
 * - arguments: of each result its text, and after how many milliseconds it is gone (at once,
 *   if they are not above 0)
 */
export const STORE: Script = /* @__PURE__ */ new Script(
  "store results",
  `
  for i, key in ipairs(KEYS) do
    redis.call('DEL', key)
    redis.call('LPUSH', key, ARGV[2 * i - 1])
    redis.call('PEXPIRE', key, ARGV[2 * i])
  end
  `,
);

/**
 * Reads results. One that cannot be read, for it is not a list, does not keep the others.
 *
 * - keys: those of the results
 * - result: of each its text, null, or the text of an error in an array
 */
export const READ: Script = /* @__PURE__ */ new Script(
  "get results",
  `
  local found = {}
  for i, key in ipairs(KEYS) do
    local value = redis.pcall('LINDEX', key, 0)
    if type(value) == 'table' then
      found[i] = { value.err }
    else
      found[i] = value
    end
  end
  return found
  `,
);
