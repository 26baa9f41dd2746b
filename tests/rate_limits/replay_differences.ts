import type { CapturedKeys } from "./replay.ts";

/** Difference, on purpose, of after one step, on purpose. */
export interface Difference {
  /** Why. */
  readonly reason: string;
  /** Result of the step instead; `undefined` means the same. */
  readonly returned?: unknown;
  /** The class of what it throws instead. */
  readonly raised?: string;
  /** Expected keys of the server, given what Python left there. */
  readonly keys?: (keys: CapturedKeys) => CapturedKeys;
}

const MISSING = "a barrier that is not there is an error, not one that is cleared";
const SHORT_WAIT = "waits are as long as asked for, not whole seconds of one or more";
const UNDONE = "a refused acquire does not count";
const BLOCKING = "a wait can block on Memcached, too";
const GONE = "what is gone is released already";

/** Other values of some keys; `undefined`: not there. */
const withValues = (values: Record<string, string | undefined>) => (keys: CapturedKeys) => {
  const changed: Record<string, CapturedKeys[string]> = { ...keys };
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) delete changed[key];
    else changed[key] = { flags: 4, ttl_s: 30, ...changed[key], value };
  }
  return changed;
};

const count = (value: string) => withValues({ "gold-conc": value });
const full = withValues({ "gold-bucket@1700000000000": "2" });
const untouched = withValues({ "gold-window@1700000004": undefined });
const operations = withValues({ "gold-op": "0", "gold-op2": "1" });

/** By backend and scenario, then by number of the step, from 1. */
export const differences: Readonly<Record<string, Readonly<Record<number, Difference>>>> = {
  "redis barrier-never-created": {
    1: { reason: MISSING, raised: "BarrierNotFound", keys: () => ({}) },
  },
  "redis barrier-blocking": { 8: { reason: SHORT_WAIT, returned: false } },

  "memcached concurrent": {
    3: { reason: UNDONE, keys: count("2") },
    4: { reason: UNDONE, keys: count("2") },
    5: { reason: UNDONE, keys: count("2") },
    6: { reason: UNDONE, keys: count("1") },
    7: { reason: UNDONE, keys: count("2"), returned: true },
    8: { reason: UNDONE, keys: count("1") },
    9: { reason: UNDONE, keys: count("1") },
    10: { reason: UNDONE, keys: count("0") },
    11: { reason: UNDONE, keys: count("0") },
    12: { reason: UNDONE, keys: count("0") },
    13: { reason: UNDONE, keys: count("0") },
  },
  "memcached concurrent-release-after-expiry": { 2: { reason: GONE, returned: null } },
  "memcached bucket": {
    3: { reason: UNDONE, keys: full },
    4: { reason: UNDONE, keys: full },
    5: { reason: UNDONE, keys: full },
    6: { reason: UNDONE, keys: full },
  },
  "memcached window": {
    5: { reason: UNDONE, keys: untouched },
    6: { reason: UNDONE, keys: untouched },
    7: { reason: UNDONE, keys: untouched },
    8: { reason: UNDONE, keys: untouched },
  },
  "memcached barrier-blocking": { 2: { reason: BLOCKING, returned: false } },
  "memcached barrier-never-created": { 1: { reason: MISSING, raised: "BarrierNotFound" } },
  "memcached backend-operations": {
    4: { reason: UNDONE, keys: withValues({ "gold-op": "7" }) },
    5: { reason: UNDONE, keys: withValues({ "gold-op": "4" }) },
    6: { reason: UNDONE, keys: withValues({ "gold-op": "0" }) },
    7: { reason: "what is not there begins at 0, as on Redis", returned: true, keys: operations },
    8: { reason: "as on Redis", returned: false, keys: operations },
    9: { reason: "as on Redis", returned: false, keys: operations },
    10: { reason: "as on Redis", keys: operations },
    11: { reason: "as on Redis", keys: operations },
    12: { reason: "as on Redis", keys: operations },
    13: { reason: "as on Redis", keys: operations },
  },
};
