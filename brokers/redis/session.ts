import type { Clock } from "../../platform/clock.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import type { ConsumedQueue } from "./consumed_queue.ts";
import type { DelayRegistry } from "./delay_registry.ts";
import type { RedisArgument, RedisReply } from "../../clients/redis/reply.ts";
import type { Keys } from "./keys.ts";
import type { Lease } from "./lease.ts";
import type { Script } from "../../clients/redis/script.ts";
import type { ServerClock } from "./server_clock.ts";
import { isUnavailable } from "../../clients/redis/errors.ts";
import type { KeyNotifier } from "../../clients/redis/key_notifier.ts";

/** What the parts of one broker share. */
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
  readonly queues: Map<string, ConsumedQueue>;
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
 * As {@linkcode runOnce}, and again while the server is away, for a while, but only as long as it
 * cannot have run.
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

/** As {@linkcode runOnce}, and again while the server is away, until it is given up. */
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

/** How to run a script forLong. */
export interface RetryRunOptions {
  /** Runs it. @default That of the broker. */
  readonly connection?: RedisConnection;
  /** When it was first to be run, by `performance.now()`. @default Now. */
  readonly since?: number;
}

/** As {@linkcode runOnce}, and again while the server is away, for a while. */
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
