import { type RedisAddress, toSource } from "../../clients/redis/address.ts";
import type { RedisSource } from "../../clients/redis/client.ts";
import type { WaitReplicas } from "../../clients/redis/replication.ts";
import type { BrokerOptions } from "../../core/broker.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { readEnvironmentNumber } from "../../platform/runtime.ts";
import { showValue } from "../../platform/show_value.ts";

/** Options for {@linkcode RedisBroker}. Times are in milliseconds. */
export interface RedisBrokerOptions extends BrokerOptions, RedisAddress {
  /**
   * Prefix of all keys. Programs that share queues must use the same. For a Redis Cluster, put it in
   * braces, as in `{dramatiq}`, so that all keys are on one node.
   *
   * @default {"dramatiq"}
   */
  namespace?: string;
  /**
   * Time without a heartbeat after which a worker counts as dead and its unacknowledged messages are
   * requeued. Workers in Python renew their heartbeat only with commands, so that it must be well above
   * their longest time without one.
   *
   * @default {60_000}
   */
  heartbeatTimeout?: number;
  /**
   * Retention time of dead letters.
   *
   * @default {604_800_000} 7 days, or the value of `dramatiq_dead_message_ttl`.
   */
  deadMessageTtl?: number;
  /**
   * Approximate time between two heartbeats of a worker, each of which also checks for dead workers.
   * `Infinity` is for tests: no heartbeats.
   *
   * @default {800}
   */
  maintenanceInterval?: number;
  /**
   * Replicas that must have a message before its `send` resolves, for programs that must not lose a
   * message in a failover: each batch is followed by `WAIT`, on a connection of its own. If that times
   * out, the `send` fails with `ConnectionFailed`, whose `delivery` is `"unknown"`. It also applies to
   * delayed messages and retries, but not to results.
   *
   * @default None: a message is stored once the master has it.
   */
  waitReplicas?: WaitReplicas;
}

/** Checked options, with defaults filled in. */
export interface CheckedOptions {
  /** Address of the servers. */
  readonly source: RedisSource;
  readonly namespace: string;
  readonly heartbeatTimeout: number;
  readonly deadMessageTtl: number;
  readonly maintenanceInterval: number;
  readonly waitReplicas: Required<WaitReplicas> | undefined;
}

const KNOWN_OPTIONS: KnownOptions<RedisBrokerOptions> = {
  middleware: true,
  clock: "Clock",
  url: true,
  client: true,
  connection: true,
  namespace: true,
  heartbeatTimeout: true,
  deadMessageTtl: true,
  maintenanceInterval: true,
  waitReplicas: true,
};
const KNOWN_WAIT_OPTIONS: KnownOptions<WaitReplicas> = { count: true, timeout: true };
/** Options of other libraries, and those that replace them here. */
const OTHER_SPELLINGS = {
  host: "url, or connection.host",
  port: "url, or connection.port",
  db: "url, or connection.db",
  password: "url, or connection.password",
  parameters: "connection",
  maintenanceChance: "maintenanceInterval",
};

/** Milliseconds: 3,000 without a reply and the connection counts as lost. */
const MAX_WAIT_TIMEOUT = 2_000;
/** Minimum of heartbeats within a heartbeat timeout. */
const HEARTBEATS_PER_TIMEOUT = 3;

/**
 * Checks the options of a broker.
 *
 * @param options The user's options.
 * @returns The options with defaults.
 * @throws {TypeError} If an option is of the wrong type, or two of them contradict.
 * @throws {RangeError} If a time is not above 0.
 */
export function checkOptions(options: RedisBrokerOptions): CheckedOptions {
  assertKnownOptions("RedisBroker", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
  const {
    namespace = "dramatiq",
    heartbeatTimeout = 60_000,
    deadMessageTtl = readEnvironmentNumber("dramatiq_dead_message_ttl", 604_800_000),
    maintenanceInterval = 800,
  } = options;
  if (typeof namespace !== "string" || namespace === "") {
    throw new TypeError(
      `Cannot use namespace ${showValue(namespace)}: it must be a non-empty string`,
    );
  }
  for (
    const [name, time] of Object.entries({ heartbeatTimeout, deadMessageTtl, maintenanceInterval })
  ) {
    if (typeof time !== "number") {
      throw new TypeError(
        `Cannot use ${name} ${String(time)}: it must be a number of milliseconds`,
      );
    }
    if (!(time > 0)) throw new RangeError(`Cannot use ${name} ${time}: it must be above 0`);
  }
  const source = toSource(options, namespace);
  return {
    source,
    namespace,
    heartbeatTimeout,
    deadMessageTtl,
    maintenanceInterval: maintenanceInterval === Infinity
      ? Infinity
      : Math.min(maintenanceInterval, heartbeatTimeout / HEARTBEATS_PER_TIMEOUT),
    waitReplicas: options.waitReplicas === undefined ? undefined : checkWait(options.waitReplicas),
  };
}

function checkWait(options: WaitReplicas): Required<WaitReplicas> {
  assertKnownOptions("RedisBroker's waitReplicas", options, KNOWN_WAIT_OPTIONS);
  const { count, timeout = 1_000 } = options;
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new RangeError(
      `Cannot wait for ${String(count)} replicas: it must be a whole number above 0`,
    );
  }
  if (!Number.isSafeInteger(timeout) || timeout < 1 || timeout > MAX_WAIT_TIMEOUT) {
    throw new RangeError(
      `Cannot wait for replicas for ${String(timeout)} ms: it must be a whole number from 1 to ` +
        `${MAX_WAIT_TIMEOUT}`,
    );
  }
  return { count, timeout };
}
