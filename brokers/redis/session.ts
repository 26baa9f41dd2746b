import type { Clock } from "../../platform/clock.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { InFlight } from "./in_flight.ts";
import type { DelayRegistry } from "./delay_registry.ts";
import type { RedisArgument, RedisReply } from "../../clients/redis/reply.ts";
import type { Keys } from "./keys.ts";
import type { Lease } from "../../core/lease.ts";
import type { Script } from "../../clients/redis/script.ts";
import type { ServerClock } from "./server_clock.ts";
import { isUnavailable } from "../../clients/redis/errors.ts";
import type { KeyNotifier } from "../../clients/redis/key_notifier.ts";

/** State of a queue at the time of a heartbeat. */
export interface QueueHeartbeat {
  /** The time of the server, in milliseconds since the epoch. */
  readonly now: number;
  /** Number of messages that are on the queue. */
  readonly length: number;
  /** Number of messages that are unacknowledged by this broker, according to Redis. */
  readonly unacknowledged: number;
  /** When the next delayed message is due; `Infinity` if there is none. */
  readonly nextEta: number;
}

/** One of the consumers of a {@linkcode ServedQueue}. */
export interface QueueMember {
  /** Its unacknowledged deliveries. */
  readonly inFlight: InFlight;
  /** Pending fetches. */
  fetches(): unknown[];
  /** Ends a wait for messages. */
  wakeUp(): void;
  /** Receives the state of the queue at a heartbeat. */
  heartbeat(heartbeat: QueueHeartbeat): void;
  /** Fails the consumer: another broker may have taken over its messages. */
  fail(error: unknown): void;
  close(): Promise<void>;
}

/** A queue or delay queue that this broker consumes. */
export interface ServedQueue {
  readonly name: string;
  readonly consumers: ReadonlySet<QueueMember>;
  /** True if heartbeats include it. */
  readonly isWatched: boolean;
  add(consumer: QueueMember): void;
  delete(consumer: QueueMember): void;
  /** Notes fetched messages, before they are received or given back. */
  arrived(deliveries: readonly RedisDelivery[]): void;
  heartbeat(heartbeat: QueueHeartbeat): void;
  /** Fails all consumers. */
  fail(error: unknown): void;
}

/** Runs a script, with retries during an outage, until the consumer is closed. */
export type RunScript = (
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[],
) => Promise<RedisReply>;

/** Objects shared by the parts of one broker. */
export interface RedisSession {
  /** Unique among the brokers that share its queues. */
  readonly brokerId: string;
  /** The clock of this process, for timers. */
  readonly clock: Clock;
  /** The clock of the server, for times that other processes read. */
  readonly serverClock: ServerClock;
  readonly keys: Keys;
  readonly connection: RedisConnection;
  /** Connection that stores messages: one of its own with `waitReplicas`, since it waits for them. */
  readonly storing: RedisConnection;
  readonly notifier: KeyNotifier;
  readonly lease: Lease;
  readonly delayRegistry: DelayRegistry;
  /** Queues that have or had consumers, by name. */
  readonly queues: Map<string, ServedQueue>;
}

/**
 * Runs a script that renews the heartbeat: its first key is that of the heartbeats, its first arguments
 * are the time and the broker id.
 *
 * @param session The broker.
 * @param script The script.
 * @param keys Its keys after the first.
 * @param args Its arguments after the second.
 * @returns The result of the script.
 */
export function runOnce(
  { connection, keys: { heartbeats }, serverClock, brokerId }: RedisSession,
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[] = [],
): Promise<RedisReply> {
  return connection.run(script, [heartbeats, ...keys], [serverClock.argument, brokerId, ...args]);
}

/**
 * As {@linkcode runOnce}, retried for some seconds during an outage, unless the script may have run.
 */
export async function runAtMostOnce(
  session: RedisSession,
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[],
): Promise<RedisReply> {
  try {
    return await runOnce(session, script, keys, args);
  } catch (error) {
    const { connection, keys: { heartbeats }, serverClock, brokerId } = session;
    const all = [serverClock.argument, brokerId, ...args];
    return await connection.runUnlessRun(error, script, [heartbeats, ...keys], all);
  }
}

/** As {@linkcode runOnce}, retried during an outage, until it is given up. */
export async function runUntil(
  isGivenUp: () => boolean,
  session: RedisSession,
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[],
): Promise<RedisReply> {
  for (let attempt = 0;; attempt++) {
    try {
      return await runOnce(session, script, keys, args);
    } catch (error) {
      if (isGivenUp() || !isUnavailable(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryDelay(attempt)));
    }
  }
}

/** Options of {@linkcode runWithRetry}. */
export interface RetryRunOptions {
  /** Connection that runs the script. @default That of the broker. */
  readonly connection?: RedisConnection;
  /** Time from which the retries count, by `performance.now()`. @default Now. */
  readonly since?: number;
}

/** As {@linkcode runOnce}, retried for some seconds during an outage, though the script may have run. */
export function runWithRetry(
  session: RedisSession,
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[] | ((again: boolean) => readonly RedisArgument[]) = [],
  { connection = session.connection, since }: RetryRunOptions = {},
): Promise<RedisReply> {
  const { keys: { heartbeats }, serverClock, brokerId } = session;
  return connection.runWithRetry(script, [heartbeats, ...keys], (again) => [
    serverClock.argument,
    brokerId,
    ...(typeof args === "function" ? args(again) : args),
  ], since);
}
