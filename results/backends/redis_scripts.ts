import { Script } from "../../clients/redis/script.ts";

/**
 * Stores results, and replaces existing ones.
 *
 * As in Python, a result is a list of one element, which wakes its `BRPOPLPUSH`.
 *
 * - keys: the keys of the results
 * - arguments: of each result its text, and its time to live in milliseconds (if it is not above 0, the
 *   result expires at once)
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
 * Reads results. A key that cannot be read, because it is not a list, does not affect the others.
 *
 * - keys: the keys of the results
 * - result: of each key its text, null, or the text of an error in an array
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
