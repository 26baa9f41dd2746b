import type { BrokerOptions } from "../../core/broker.ts";
import { ControlStore } from "../../core/control_store.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { redactUrl } from "../../clients/redact.ts";
import { readEnvironmentNumber } from "../../platform/runtime.ts";
import { showValue } from "../../platform/show_value.ts";
import {
  type RabbitmqAddress,
  type RabbitmqConnectionOptions,
  type RabbitmqSource,
  toSources,
} from "./address.ts";

/** Options for {@linkcode RabbitmqBroker}. Times are in milliseconds. */
export interface RabbitmqBrokerOptions extends BrokerOptions, RabbitmqAddress {
  /**
   * True if `send` waits until RabbitMQ has confirmed the message. Without, sending is faster, but
   * messages are lost that were sent just before a connection is lost, or to a queue that was deleted.
   *
   * @default {true}
   */
  confirmDelivery?: boolean;
  /**
   * Declares queues with priorities from 0 to this, 255 at most. Messages with a higher `brokerPriority`
   * are delivered first. RabbitMQ advises 10 or fewer. All programs that share a queue must use the same.
   *
   * @default {undefined} Queues have no priorities.
   */
  maxPriority?: number;
  /**
   * Type of the queues. Quorum queues are replicated in a cluster, need RabbitMQ 3.10,
   * and cannot be shared with Python, which declares classic ones.
   *
   * @default {"classic"}
   */
  queueType?: QueueType;
  /**
   * Number of times that a message of a quorum queue may be delivered to a worker that neither
   * acknowledges nor rejects it, before it is dead-lettered. Each stop of a worker counts, too.
   *
   * @default {undefined} The default of RabbitMQ: unlimited before 4.0, 20 since.
   */
  deliveryLimit?: number;
  /**
   * Heartbeat timeout: each side sends a frame in half of this time. A connection on which RabbitMQ is
   * silent for a quarter longer than this time counts as lost. Rounded up to seconds; 0 turns heartbeats
   * off. An actor that blocks the event loop for longer than this time loses its connection,
   * and its message is delivered again.
   *
   * @default {5_000}
   */
  heartbeat?: number;
  /**
   * Timeout of one attempt to connect to one address, until RabbitMQ has authenticated the user.
   *
   * @default {3_000}
   */
  connectionTimeout?: number;
  /**
   * Time that a `send` waits for a server that confirms nothing: it blocks publishers when it runs
   * out of memory or disk, and quorum queues need a majority.
   *
   * @default {30_000}
   */
  blockedTimeout?: number;
  /**
   * Value of `consumer_timeout` on the server, which clients cannot read: after this time RabbitMQ
   * requeues a message that was delivered and not settled, and closes the channel. A worker requeues
   * prefetched messages that it cannot begin within a quarter of it, and warns of actors that may run for
   * longer. `Infinity` if it is switched off.
   *
   * @default {1_800_000} 30 minutes, as RabbitMQ's.
   */
  consumerTimeout?: number;
  /**
   * Retention time of dead letters. All programs that share a queue must use the same.
   *
   * @default {604_800_000} 7 days, or the value of `dramatiq_dead_message_ttl`.
   */
  deadMessageTtl?: number;
  /**
   * Control store for cancellations and pauses, which RabbitMQ cannot keep: a
   * `RedisControlStore`, for example. It is closed with the broker.
   *
   * @default {undefined} Nothing can be cancelled or paused.
   */
  control?: ControlStore;
  /**
   * Address of the HTTP API of RabbitMQ's management plugin, for inspectors: `http://host:15672`.
   * User and password are those for AMQP unless it names others.
   *
   * @default {undefined} Inspectors report only what AMQP provides.
   */
  managementUrl?: string | URL;
}

/** The kinds of queue that hold tasks. */
export type QueueType = "classic" | "quorum";

/** Settings of queue declarations. */
export interface QueueSettings {
  readonly queueType: QueueType;
  readonly maxPriority: number | undefined;
  readonly deliveryLimit: number | undefined;
  readonly deadMessageTtl: number;
}

/** Checked options, with defaults filled in. */
export interface CheckedOptions extends QueueSettings {
  /** Servers, in order of preference. */
  readonly sources: readonly RabbitmqSource[];
  readonly confirmDelivery: boolean;
  readonly blockedTimeout: number;
  readonly consumerTimeout: number;
  readonly managementUrl: URL | undefined;
}

const KNOWN_OPTIONS: KnownOptions<RabbitmqBrokerOptions> = {
  middleware: true,
  clock: "Clock",
  url: true,
  connection: true,
  control: true,
  confirmDelivery: true,
  maxPriority: true,
  queueType: true,
  deliveryLimit: true,
  heartbeat: true,
  connectionTimeout: true,
  blockedTimeout: true,
  consumerTimeout: true,
  deadMessageTtl: true,
  managementUrl: true,
};
/** Options of other libraries, and those that replace them here. */
const OTHER_SPELLINGS = {
  host: "url, or connection.hostname",
  port: "url, or connection.port",
  credentials: "url, or connection.username",
  virtualHost: "url, or connection.vhost",
  parameters: "connection",
  blockedConnectionTimeout: "blockedTimeout",
};

/** Largest 32-bit number of milliseconds, the longest time that RabbitMQ accepts. */
const LONGEST_TIME = 2 ** 32 - 1;

/**
 * Checks the options of a broker.
 *
 * @param options The user's options.
 * @returns The options with defaults.
 * @throws {TypeError} If an option is of the wrong type, or two of them contradict.
 * @throws {RangeError} If a number is out of range.
 */
export function checkOptions(options: RabbitmqBrokerOptions): CheckedOptions {
  assertKnownOptions("RabbitmqBroker", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
  checkControl(options);
  const {
    confirmDelivery = true,
    maxPriority,
    queueType = "classic",
    deliveryLimit,
    heartbeat = 5_000,
    connectionTimeout = 3_000,
    blockedTimeout = 30_000,
    consumerTimeout = 1_800_000,
    deadMessageTtl = readEnvironmentNumber("dramatiq_dead_message_ttl", 604_800_000),
  } = options;
  if (typeof confirmDelivery !== "boolean") {
    throw new TypeError(
      `Cannot use confirmDelivery ${String(confirmDelivery)}: it must be true or false`,
    );
  }
  if (queueType !== "classic" && queueType !== "quorum") {
    throw new TypeError(
      `Cannot use queueType ${showValue(queueType)}: it must be "classic" or "quorum"`,
    );
  }
  if (maxPriority !== undefined) checkWhole({ maxPriority }, 1, 255);
  if (deliveryLimit !== undefined) checkWhole({ deliveryLimit }, 1);
  if (deliveryLimit !== undefined && queueType === "classic") {
    throw new TypeError(
      `Cannot use deliveryLimit ${deliveryLimit} with classic queues: only those of queueType ` +
        '"quorum" have one',
    );
  }
  checkTimes({ connectionTimeout, blockedTimeout, consumerTimeout });
  checkWhole({ deadMessageTtl }, 0, LONGEST_TIME);
  if (heartbeat !== 0) checkTimes({ heartbeat });
  return {
    sources: toSources(options, { heartbeat, connectionTimeout }),
    confirmDelivery,
    maxPriority,
    queueType,
    deliveryLimit,
    blockedTimeout,
    consumerTimeout,
    deadMessageTtl,
    managementUrl: toManagementUrl(options.managementUrl),
  };
}

function toManagementUrl(url: string | URL | undefined): URL | undefined {
  if (url === undefined) return undefined;
  const parsed = URL.parse(url);
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") return parsed;
  throw new TypeError(
    `Cannot use managementUrl ${redactUrl(url)}: it must be a URL like http://host:15672`,
  );
}

function checkControl({ control }: RabbitmqBrokerOptions): void {
  if (control === undefined || control instanceof ControlStore) return;
  throw new TypeError(
    `Cannot use control ${String(control)}: control must be a ControlStore`,
  );
}

function checkTimes(times: Readonly<Record<string, number>>): void {
  for (const [name, time] of Object.entries(times)) {
    if (typeof time !== "number") {
      throw new TypeError(
        `Cannot use ${name} ${String(time)}: it must be a number of milliseconds`,
      );
    }
    if (!(time > 0)) throw new RangeError(`Cannot use ${name} ${time}: it must be above 0`);
  }
}

function checkWhole(
  numbers: Readonly<Record<string, number>>,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): void {
  for (const [name, number] of Object.entries(numbers)) {
    if (typeof number !== "number") {
      throw new TypeError(`Cannot use ${name} ${String(number)}: it must be a number`);
    }
    if (Number.isInteger(number) && number >= least && number <= most) continue;
    const range = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
    throw new RangeError(`Cannot use ${name} ${number}: it must be a whole number, ${range}`);
  }
}

export type { RabbitmqAddress, RabbitmqConnectionOptions };
