import { type Clock, monotonicTime, pause } from "../platform/clock.ts";
import { QueueJoinTimeout } from "./errors.ts";
import { checkKnownOptions, type KnownOptions } from "./known_options.ts";

/** Options of {@linkcode Broker.join}. */
export interface JoinOptions {
  /** Maximum of milliseconds to wait. @default {Infinity} */
  timeout?: number;
  /** Ends the wait when it aborts: `join` rejects with its reason. */
  signal?: AbortSignal;
}

/** `failFast` is one of `StubBroker.join`: code that runs on several brokers may pass it to all. */
const JOIN_OPTIONS: KnownOptions<JoinOptions & { failFast?: boolean }> = {
  failFast: "boolean",
  signal: "AbortSignal",
  timeout: true,
};

/** A queue that has to be polled to find out whether it is idle. */
export interface Joinable {
  readonly queueName: string;
  /** Clock of its broker. */
  readonly clock: Clock;
  /** Milliseconds between two polls. */
  readonly interval: number;

  /** True if it is empty, and none of its messages is in flight. */
  isIdle(): Promise<boolean>;
}

/**
 * Waits until a queue is idle.
 *
 * @param queue The queue.
 * @param options The timeout, and a signal.
 * @throws {RangeError} If the timeout is below 0.
 * @throws {QueueJoinTimeout} If the timeout is over before.
 * @throws The reason of the signal, if it aborts before.
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
 * Checks the options of a join.
 *
 * @param queueName The queue.
 * @param options The options.
 * @returns The timeout in milliseconds.
 * @throws {TypeError} If an option is not known: a misspelled timeout would wait for ever.
 * @throws {RangeError} If the timeout is below 0.
 */
export function joinTimeout(queueName: string, options: JoinOptions): number {
  checkKnownOptions("join", options, JOIN_OPTIONS);
  const { timeout = Infinity } = options;
  if (timeout >= 0) return timeout;
  throw new RangeError(`Cannot wait ${timeout} ms for "${queueName}": it must be 0 or more`);
}

/** Error for a queue that was not idle in time. */
export function joinTooLate(queueName: string, timeout: number): QueueJoinTimeout {
  return new QueueJoinTimeout(
    `Cannot join queue "${queueName}": it was not done within ${timeout} ms`,
  );
}
