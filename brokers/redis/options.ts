import type { BrokerOptions } from "../../core/broker_options.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { assertWholeUrl, decodeUrlPart, redactUrl } from "../../platform/redact.ts";
import { readEnvironmentNumber } from "../../platform/runtime.ts";
import {
  keyPrefixOf,
  type RedisClient,
  type RedisConnectionOptions,
  type RedisSource,
} from "../../clients/redis/client.ts";
import { clusterSlotTag } from "../../clients/redis/slot_tag.ts";

/** Where a Redis is: give one of the three, or none for 127.0.0.1:6379. */
export interface RedisAddress {
  /**
   * `redis://user:password@host:port/database`, or `rediss://…` for TLS. All but the scheme
   * may be left out.
   *
   * @default {"redis://127.0.0.1:6379"}
   */
  url?: string | URL;
  /**
   * A client of ioredis whose servers are to be used: a `Redis`, for Sentinel too, or a
   * `Cluster`. It is copied, not used, and not closed: what becomes of commands when
   * a connection fails is not left to its options.
   */
  client?: RedisClient;
  /** Options for ioredis's `Redis`: `host`, `port`, `tls`, `sentinels` and `name`, … */
  connection?: RedisConnectionOptions;
}

/** Options for {@linkcode RedisBroker}. Times are in milliseconds. */
export interface RedisBrokerOptions extends BrokerOptions, RedisAddress {
  /**
   * What all keys begin with. Those who share queues share it. A Redis Cluster needs
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
   * How long dead letters are kept.
   *
   * @default {604_800_000} 7 days, or what `dramatiq_dead_message_ttl` says.
   */
  deadMessageTtl?: number;
  /**
   * How long a worker waits, about, before it renews its heartbeat and looks for dead ones
   * again. `Infinity` is for tests: nothing is renewed then.
   *
   * @default {800}
   */
  maintenanceInterval?: number;
  /**
   * Replicas that must have a message before its `send` counts as done, for those who may lose
   * nothing in a failover: after each batch Redis is asked to `WAIT` for them, on a connection of
   * its own. If they do not have it in time the `send` fails with `ConnectionFailed`, and its
   * `delivery` is `"unknown"`. It counts for delayed messages and retries, too, but not for results.
   *
   * @default None: a message is stored once the master has it.
   */
  waitReplicas?: WaitReplicas;
}

/** How many replicas to wait for. */
export interface WaitReplicas {
  /**
   * How many must have a message. With Sentinel all that there are: one that has been made the
   * master does not hear of a message that the old master confirms, while others still do.
   */
  readonly count: number;
  /** Milliseconds that this may take, up to 2,000. @default {1_000} */
  readonly timeout?: number;
}

/** Options that are checked and complete. */
export interface CheckedOptions {
  /** Where the servers are. */
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
const DEFAULT_URL = "redis://127.0.0.1:6379";
/** How many heartbeats a worker may miss before it counts as dead. */
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
      `Cannot use namespace ${JSON.stringify(namespace)}: it must be a text that is not empty`,
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

/**
 * Finds out where the servers are.
 *
 * @param address What the user gave.
 * @param namespace What all keys begin with.
 * @throws {TypeError} If that cannot be used.
 */
export function toSource(address: RedisAddress, namespace: string): RedisSource {
  const { url, client, connection } = address;
  const given = Object.entries({ url, client, connection }).filter(([, value]) =>
    value !== undefined
  )
    .map(([name]) => name);
  if (given.length > 1) {
    throw new TypeError(`Cannot connect to Redis by ${given.join(" and ")}: give one of them`);
  }
  if (connection !== undefined && (typeof connection !== "object" || connection === null)) {
    throw new TypeError(
      `Cannot connect to Redis by ${
        redactUrl(connection)
      }: connection must be an object; a URL is ` +
        "the option url",
    );
  }
  const host = connection?.["host"];
  if (typeof host === "string" && /[@/]/.test(host)) {
    throw new TypeError(
      `Cannot connect to Redis at host "${
        redactUrl(host)
      }": it must be a name or an address; a URL ` +
        "is the option url",
    );
  }
  const source = client !== undefined
    ? { client: checkClient(client, namespace) }
    : { connection: connection ?? parseUrl(url ?? DEFAULT_URL), isDefault: given.length === 0 };
  const prefix = keyPrefixOf(source);
  if (prefix) {
    throw new TypeError(
      `Cannot use the keyPrefix "${prefix}" of the client: peers would not find the keys; use the ` +
        "option namespace",
    );
  }
  return source;
}

function checkClient(client: RedisClient, namespace: string): RedisClient {
  if (typeof client?.duplicate !== "function") {
    throw new TypeError("Cannot use the client: it must be a Redis or a Cluster of ioredis");
  }
  const { isCluster } = client as { isCluster?: boolean };
  if (isCluster && clusterSlotTag(namespace) === undefined) {
    throw new TypeError(
      `Cannot use namespace "${namespace}" on a cluster: write it as "{${namespace}}", so that all ` +
        "keys lie on one node",
    );
  }
  return client;
}

/**
 * Reads the address of a Redis.
 *
 * @param url The address.
 * @returns Options for ioredis.
 * @throws {TypeError} If it is not one.
 */
export function parseUrl(url: string | URL): RedisConnectionOptions {
  const parsed = URL.parse(url);
  const isTls = parsed?.protocol === "rediss:";
  if (parsed === null || (parsed.protocol !== "redis:" && !isTls)) {
    throw new TypeError(
      `Cannot connect to "${
        redactUrl(url)
      }": it must be a URL like redis://host:6379/0 or rediss://…`,
    );
  }
  assertWholeUrl(parsed, url);
  const database = parsed.pathname.replace(/^\//, "");
  if (!/^\d{0,5}$/.test(database)) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": "${database}" must be the number of a database`,
    );
  }
  const [strange] = parsed.searchParams.keys();
  if (strange !== undefined) {
    throw new TypeError(
      `Cannot connect to "${redactUrl(url)}": it has no parameter "${strange}"; use the options`,
    );
  }
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1",
    port: Number(parsed.port || 6379),
    db: Number(database),
    ...(parsed.username && { username: decodeUrlPart(parsed.username, url) }),
    ...(parsed.password && { password: decodeUrlPart(parsed.password, url) }),
    ...(isTls && { tls: {} }),
  };
}
