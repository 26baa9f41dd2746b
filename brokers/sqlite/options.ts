import {
  ADDRESS_OPTIONS,
  checkAddress,
  type CheckedAddress,
  type SqliteAddress,
} from "../../clients/sqlite/address.ts";
import type { BrokerOptions } from "../../core/broker.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { readEnvironmentNumber } from "../../platform/runtime.ts";

/** Options for {@linkcode SqliteBroker}. Times are in milliseconds. */
export interface SqliteBrokerOptions extends BrokerOptions, SqliteAddress {
  /**
   * After how long without a heartbeat a worker counts as dead, and what it had not acknowledged
   * goes back to the queue. A worker of this machine whose process has ended is noticed at once.
   *
   * @default {60_000}
   */
  heartbeatTimeout?: number;
  /**
   * Longest time between two heartbeats of a worker.
   *
   * @default {800}
   */
  heartbeatInterval?: number;
  /**
   * Retention time of dead letters.
   *
   * @default {604_800_000} 7 days, or what `dramatiq_dead_message_ttl` says.
   */
  deadMessageTtl?: number;
  /**
   * The highest `brokerPriority` of a message: higher ones go first, over the whole queue. What is
   * above counts as this, and what is not a whole number as 0.
   *
   * @default None: messages have no priorities.
   */
  maxPriority?: number;
}

/** Options that are checked and complete. */
export interface CheckedOptions {
  readonly address: CheckedAddress;
  readonly heartbeatTimeout: number;
  readonly heartbeatInterval: number;
  readonly deadMessageTtl: number;
  readonly maxPriority: number | undefined;
}

const OWN_OPTIONS: KnownOptions<Omit<SqliteBrokerOptions, keyof SqliteAddress>> = {
  middleware: true,
  clock: true,
  heartbeatTimeout: true,
  heartbeatInterval: true,
  deadMessageTtl: true,
  maxPriority: true,
};
/** Names of peers for what is an option here. */
const OTHER_SPELLINGS = { file: "path", filename: "path", db: "database" };

/**
 * Checks the options of a broker.
 *
 * @param options What the user gave.
 * @returns What it means.
 * @throws {TypeError} If an option is of the wrong type, or two of them contradict.
 * @throws {RangeError} If a number is out of range.
 */
export function checkOptions(options: SqliteBrokerOptions): CheckedOptions {
  const known: KnownOptions<SqliteBrokerOptions> = { ...OWN_OPTIONS, ...ADDRESS_OPTIONS };
  assertKnownOptions("SqliteBroker", options, known, OTHER_SPELLINGS);
  const {
    heartbeatTimeout = 60_000,
    heartbeatInterval = 800,
    deadMessageTtl = readEnvironmentNumber("dramatiq_dead_message_ttl", 604_800_000),
    maxPriority,
  } = options;
  const times = { heartbeatTimeout, heartbeatInterval, deadMessageTtl };
  for (const [name, time] of Object.entries(times)) {
    if (typeof time !== "number") {
      throw new TypeError(
        `Cannot use ${name} ${String(time)}: it must be a number of milliseconds`,
      );
    }
    if (!(time > 0)) throw new RangeError(`Cannot use ${name} ${time}: it must be above 0`);
  }
  if (maxPriority !== undefined && !(Number.isSafeInteger(maxPriority) && maxPriority > 0)) {
    throw new RangeError(
      `Cannot use maxPriority ${String(maxPriority)}: it must be a whole number above 0`,
    );
  }
  return { ...times, address: checkAddress(options), maxPriority };
}
