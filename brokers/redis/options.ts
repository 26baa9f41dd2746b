import { type RedisAddress, toSource } from "../../clients/redis/address.ts";
import type { RedisSource } from "../../clients/redis/client.ts";
import type { WaitReplicas } from "../../clients/redis/replication.ts";
import type { BrokerOptions } from "../../core/broker.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { readEnvironmentNumber } from "../../platform/runtime.ts";

/** Options for {@linkcode RedisBroker}. Times are in milliseconds. */
export interface RedisBrokerOptions extends BrokerOptions, RedisAddress {
  /**
   * Prefix of all keys. Those who share queues share it. A Redis Cluster needs
   * it in braces, as in `{dramatiq}`, so that all keys lie on one node.
   *
   * @default {"dramatiq"}
   */
  namespace?: string;
  /**
   * After how long without a heartbeat a worker counts as dead, and what it had not
   * acknowledged goes back to the queue. Python workers renew theirs with every command, and
   * so need it well above the time of their longest silence.
   *
   * @default {60_000}
   */
  heartbeatTimeout?: number;
  /**
   * Retention time of dead letters.
   *
   * @default {604_800_000} 7 days, or what `dramatiq_dead_message_ttl` says.
   */
  deadMessageTtl?: number;
  /**
   * Approximate time after which a worker renews its heartbeat and looks for dead ones
   * again. `Infinity` is for tests: nothing is renewed then.
   *
   * @default {800}
   */
  maintenanceInterval?: number;
  /**
   * Replicas that must have a message before its `send` resolves, for programs that must lose
   * nothing in a failover: after each batch Redis is asked to `WAIT` for them, on a connection of
   * its own. If they do not have it in time the `send` fails with `ConnectionFailed`, and its
   * `delivery` is `"unknown"`. It counts for delayed messages and retries, too, but not for
   * results.
   *
   * @default None: a message is stored once the master has it.
   */
  waitReplicas?: WaitReplicas;
}

/** Options that are checked and complete. */
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
  clock: true,
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
/** Names of peers for what is an option, or a part of one, here. */
const OTHER_SPELLINGS = {
  host: "url, or connection.host",
  port: "url, or connection.port",
  db: "url, or connection.db",
  password: "url, or connection.password",
  parameters: "connection",
  maintenanceChance: "maintenanceInterval",
};

/** Milliseconds: after a second more of silence a connection counts as lost. */
const LONGEST_WAIT = 2_000;
/** Number of heartbeats a worker may miss before it counts as dead. */
const HEARTBEATS_PER_TIMEOUT = 3;

/**
 * Checks the options of a broker.
 *
 * @param options What the user gave.
 * @returns What it means.
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
      `Cannot use namespace ${JSON.stringify(namespace)}: it must be a non-empty string`,
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
  if (!Number.isSafeInteger(timeout) || timeout < 1 || timeout > LONGEST_WAIT) {
    throw new RangeError(
      `Cannot wait for replicas for ${String(timeout)} ms: it must be a whole number from 1 to ` +
        `${LONGEST_WAIT}`,
    );
  }
  return { count, timeout };
}
