import { type Clock, monotonicTime, pause } from "../platform/clock.ts";
import { QueueJoinTimeout } from "./errors.ts";

/** Options of {@linkcode Broker.join}. */
export interface JoinOptions {
  /** Milliseconds to wait at most. @default {Infinity} */
  timeout?: number;
  /** Ends the wait when it aborts: `join` rejects with its reason. */
  signal?: AbortSignal;
}

/** A queue whose end can only be seen by looking: nobody says that it is done. */
export interface Joinable {
  readonly queueName: string;
  /** The time of its broker. */
  readonly clock: Clock;
  /** Milliseconds between two looks. */
  readonly interval: number;

  /** Looks whether nothing is on it, and nothing of it worked on. */
  isIdle(): Promise<boolean>;
}

/**
 * Waits until a queue is done.
 *
 * @param queue The queue.
 * @param options How long to wait.
 * @throws {RangeError} If the time to wait is below 0.
 * @throws {QueueJoinTimeout} If the time is over before.
 * @throws The reason of the signal, if that aborts before.
 */
export async function joinByPolling(queue: Joinable, options: JoinOptions): Promise<void> {
  const { queueName, clock, interval } = queue;
  const timeout = joinTimeout(queueName, options);
  const { signal } = options;
  const endsAt = monotonicTime(clock) + timeout;
  while (true) {
    signal?.throwIfAborted();
    if (await queue.isIdle()) return;
    const left = endsAt - monotonicTime(clock);
    if (left <= 0) throw joinTooLate(queueName, timeout);
    await pause(clock, Math.min(interval, left), signal);
  }
}

/**
 * Reads how long to wait for a queue.
 *
 * @returns Milliseconds.
 * @throws {RangeError} If that is below 0.
 */
export function joinTimeout(queueName: string, { timeout = Infinity }: JoinOptions): number {
  if (timeout >= 0) return timeout;
  throw new RangeError(`Cannot wait ${timeout} ms for "${queueName}": it must be 0 or more`);
}

/** Error for a queue that was not done in time. */
export function joinTooLate(queueName: string, timeout: number): QueueJoinTimeout {
  return new QueueJoinTimeout(
    `Cannot join queue "${queueName}": it was not done within ${timeout} ms`,
  );
}
