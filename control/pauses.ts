import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import { type ControlEntry, readEntry } from "../core/control_store.ts";
import { canonicalQueueName, toCanonicalQueueName } from "../core/queue_names.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";

/** Queue or actor to pause or resume. */
export interface PauseTarget {
  /** A queue; it need not be declared. */
  queue: string;
}

/** Options of `Control.pause`. */
export interface PauseOptions {
  /** When it resumes by itself, by the clock of the control store. @default Never. */
  until?: number | Date;
  /** Why, for people to read. */
  reason?: string;
}

/** A queue that is paused. */
export interface PausedQueue {
  /** The queue. */
  readonly queue: string;
  /** When it resumes by itself, in milliseconds since the epoch; `undefined` for never. */
  readonly until: number | undefined;
  /** The reason, if one was given. */
  readonly reason: string | undefined;
  /** When it was paused, in milliseconds since the epoch. */
  readonly since: number;
}

/** Key prefix of pauses. */
export const PAUSE_PREFIX = "pause/";
const QUEUE_PREFIX = `${PAUSE_PREFIX}queue/`;
const TARGET_OPTIONS: KnownOptions<PauseTarget> = { queue: true };
const PAUSE_OPTIONS: KnownOptions<PauseOptions> = { until: true, reason: true };

/**
 * Reads a pause as it is stored.
 *
 * @param entry An entry of the control store.
 * @returns The queue, and how it is paused; `undefined` if the entry is not a pause.
 */
export function toPausedQueue({ key, value }: ControlEntry): PausedQueue | undefined {
  if (!key.startsWith(QUEUE_PREFIX)) return undefined;
  if (typeof value !== "object" || value === null) return undefined;
  const { until, reason, since } = value as Readonly<Record<string, unknown>>;
  return {
    queue: key.slice(QUEUE_PREFIX.length),
    until: typeof until === "number" ? until : undefined,
    reason: typeof reason === "string" ? reason : undefined,
    since: typeof since === "number" ? since : 0,
  };
}

/** The queue that the key of an entry names; `undefined` if it names none. */
export function pausedQueueName(key: string): string | undefined {
  return key.startsWith(QUEUE_PREFIX) ? key.slice(QUEUE_PREFIX.length) : undefined;
}

/**
 * Stores that a queue is paused.
 *
 * @throws {TypeError} If that is not a valid queue name, or an option is of the wrong type.
 * @throws {RangeError} If `until` is not in the future.
 */
export async function pauseQueue(
  broker: Broker,
  target: PauseTarget,
  options: PauseOptions,
): Promise<void> {
  const store = controlStoreOf(broker, "pause a queue");
  const queue = readTarget(target, "pause queue");
  assertKnownOptions("pause", options, PAUSE_OPTIONS);
  const { reason } = options;
  if (reason !== undefined && typeof reason !== "string") {
    throw new TypeError(`Cannot pause queue "${queue}" for ${String(reason)}: it must be a string`);
  }
  const { now } = await store.change([]);
  const until = options.until === undefined ? undefined : Number(options.until);
  if (until !== undefined && !(until > now && Number.isFinite(until))) {
    throw new RangeError(`Cannot pause queue "${queue}" until ${until}: it must be in the future`);
  }
  const value = {
    since: now,
    ...(until !== undefined && { until }),
    ...(reason !== undefined && { reason }),
  };
  const key = QUEUE_PREFIX + queue;
  await store.change([{ key, value, ...(until !== undefined && { ttl: until - now }) }]);
}

/** Stores that a queue is not paused any more. @returns Whether it was. */
export async function resumeQueue(broker: Broker, target: PauseTarget): Promise<boolean> {
  const store = controlStoreOf(broker, "resume a queue");
  const key = QUEUE_PREFIX + readTarget(target, "resume queue");
  const wasPaused = await readEntry(store, key) !== undefined;
  await store.change([{ key, value: null }]);
  return wasPaused;
}

function readTarget(target: PauseTarget, purpose: string): string {
  assertKnownOptions(purpose, target, TARGET_OPTIONS);
  return canonicalQueueName(toCanonicalQueueName(target.queue, purpose));
}
