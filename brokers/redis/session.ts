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

/** State of a queue, as a heartbeat reports it. */
export interface QueueHeartbeat {
  /** The time of the server, in milliseconds since the epoch. */
  readonly now: number;
  /** Number of messages that are on the queue. */
  readonly length: number;
  /** Number of messages this broker has fetched from it and not settled, as Redis sees it. */
  readonly unacknowledged: number;
  /** When the next delayed message is due; `Infinity` when there is none. */
  readonly nextEta: number;
}

/** A consumer, as its queue and the broker see it. */
export interface QueueMember {
  /** Fetched messages that Redis has not yet heard of again. */
  readonly inFlight: InFlight;
  /** Fetches under way. */
  fetches(): unknown[];
  /** Ends a wait: there may be messages. */
  wakeUp(): void;
  /** Takes the findings of a heartbeat. */
  heartbeat(heartbeat: QueueHeartbeat): void;
  /** Fails: another broker may have taken over its messages. */
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
  /** Notes fetched messages, before anything else becomes of them. */
  arrived(deliveries: readonly RedisDelivery[]): void;
  heartbeat(heartbeat: QueueHeartbeat): void;
  /** Fails all consumers. */
  fail(error: unknown): void;
}

/** Runs a script that must get through: again until the server is back, or it is given up. */
export type Run = (
  script: Script,
  keys: readonly string[],
  args: readonly RedisArgument[],
) => Promise<RedisReply>;

/** Objects shared by the parts of one broker. */
export interface RedisSession {
  /** Tells this broker from all others that share its queues. */
  readonly brokerId: string;
  /** The time of this process, for timers. */
  readonly clock: Clock;
  /** The time of the server, for all that others see. */
  readonly serverClock: ServerClock;
  readonly keys: Keys;
  readonly connection: RedisConnection;
  /** The one that messages are stored through: another one if replicas are to have them. */
  readonly storing: RedisConnection;
  readonly notifier: KeyNotifier;
  readonly lease: Lease;
  readonly delayRegistry: DelayRegistry;
  /** The queues that have or had consumers, by name. */
  readonly queues: Map<string, ServedQueue>;
}

/**
 * Runs a script that renews the heartbeat: all those whose first key is that of the
 * heartbeats, and whose first arguments are the time and the broker.
 *
 * @param session The broker.
 * @param script The script.
 * @param keys Its keys after the first.
 * @param args Its arguments after the second.
 * @returns What it returned.
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
 * As {@linkcode runOnce}, retried for some seconds while the server is unavailable, but only as
 * long as it cannot have run.
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

/** As {@linkcode runOnce}, and again while the server is unavailable, until it is given up. */
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

/** Options of a script run with retries. */
export interface RetryRunOptions {
  /** Runs it. @default That of the broker. */
  readonly connection?: RedisConnection;
  /** When it was first to be run, by `performance.now()`. @default Now. */
  readonly since?: number;
}

/** As {@linkcode runOnce}, and again while the server is unavailable, for a while. */
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
