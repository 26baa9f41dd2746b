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
   * Time without a heartbeat after which a worker counts as dead, and its unacknowledged messages are
   * requeued. A worker on this machine whose process has ended is found within a second.
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
   * @default {604_800_000} 7 days, or the value of `dramatiq_dead_message_ttl`.
   */
  deadMessageTtl?: number;
  /**
   * Maximum `brokerPriority` of a message. Messages with a higher priority are received first, over the
   * whole queue. Values above the maximum count as that, values that are not whole numbers as 0.
   *
   * @default None: messages have no priorities.
   */
  maxPriority?: number;
}

/** Checked options, with defaults filled in. */
export interface CheckedOptions {
  readonly address: CheckedAddress;
  readonly heartbeatTimeout: number;
  readonly heartbeatInterval: number;
  readonly deadMessageTtl: number;
  readonly maxPriority: number | undefined;
}

const OWN_OPTIONS: KnownOptions<Omit<SqliteBrokerOptions, keyof SqliteAddress>> = {
  middleware: true,
  clock: "Clock",
  heartbeatTimeout: true,
  heartbeatInterval: true,
  deadMessageTtl: true,
  maxPriority: true,
};
/** Options of other libraries, and those that replace them here. */
const OTHER_SPELLINGS = { file: "path", filename: "path", db: "database" };

/**
 * Checks the options of a broker.
 *
 * @param options The user's options.
 * @returns The options with defaults.
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
