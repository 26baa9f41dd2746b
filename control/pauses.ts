import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import { type ControlEntry, readEntry } from "../core/control_store.ts";
import { canonicalQueueName, toCanonicalQueueName } from "../core/queue_names.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { getLogger } from "../platform/logging.ts";
import { showValue } from "../platform/show_value.ts";

const log = /* @__PURE__ */ getLogger("control");

/** Queue, actor or worker to pause or resume. Exactly one field is set. */
export interface PauseTarget {
  /** A queue; it need not be declared. */
  queue?: string;
  /** An actor, or its name; it need not be declared. */
  actor?: { readonly actorName: string } | string;
  /** A worker, by its id as `Control.workers` lists it: it becomes quiet. */
  worker?: string;
}

/** Options of `Control.pause`. */
export interface PauseOptions {
  /** When the pause ends, by the clock of the control store; not for workers. @default Never. */
  until?: number | Date;
  /** A reason for people to read. */
  reason?: string;
}

/** Outcome of `Control.pause`. */
export interface PauseOutcome {
  /**
   * Ids of workers in Python on the same Redis, which do not support pauses and continue, and of
   * programs in Python that have just sent messages. Empty on other brokers.
   */
  readonly ignoredBy: readonly string[];
}

/** A pause of a queue or an actor. */
export interface Pause extends PauseOutcome {
  /** The queue, if one is paused. */
  readonly queue?: string;
  /** The name of the actor, if one is paused. */
  readonly actor?: string;
  /** When the pause ends, in milliseconds since the epoch; `undefined` for never. */
  readonly until: number | undefined;
  /** The reason, if one was given. */
  readonly reason: string | undefined;
  /** When it was paused, in milliseconds since the epoch. */
  readonly since: number;
}

/** Key prefix of pauses. */
export const PAUSE_PREFIX = "pause/";
const QUEUE_PREFIX = `${PAUSE_PREFIX}queue/`;
const ACTOR_PREFIX = `${PAUSE_PREFIX}actor/`;
const WORKER_PREFIX = `${PAUSE_PREFIX}worker/`;
/** Milliseconds for which the pause of a worker is kept. It also ends when the worker stops. */
const WORKER_TTL = 30 * 86_400_000;
const TARGET_OPTIONS: KnownOptions<PauseTarget> = { queue: true, actor: true, worker: true };
const PAUSE_OPTIONS: KnownOptions<PauseOptions> = { until: true, reason: true };

/** A pause as it is stored. */
export type StoredPause = Omit<Pause, "ignoredBy">;

/**
 * Decodes a stored pause.
 *
 * @param entry An entry of the control store.
 * @returns The pause; `undefined` if the entry is not a pause of a queue or an actor.
 */
export function toPause({ key, value }: ControlEntry): StoredPause | undefined {
  const target = pauseTargetOf(key);
  if (target === undefined || typeof value !== "object" || value === null) return undefined;
  const { until, reason, since } = value as Readonly<Record<string, unknown>>;
  return {
    ...target,
    until: isTime(until) ? until : undefined,
    reason: typeof reason === "string" ? reason : undefined,
    since: isTime(since) ? since : 0,
  };
}

/** True if a stored value is a time that a `Date` can hold. */
function isTime(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}

/** The queue or the actor in the key of an entry; `undefined` for other keys. */
export function pauseTargetOf(key: string): Pick<Pause, "queue" | "actor"> | undefined {
  if (key.startsWith(QUEUE_PREFIX)) return { queue: key.slice(QUEUE_PREFIX.length) };
  if (key.startsWith(ACTOR_PREFIX)) return { actor: key.slice(ACTOR_PREFIX.length) };
  return undefined;
}

/** Key of the pause of a worker. */
export function pauseKeyOf(worker: string): string {
  return WORKER_PREFIX + worker;
}

/**
 * Lists the pauses of queues and actors.
 *
 * @param broker The broker, which has a control store.
 */
export async function readPauses(broker: Broker): Promise<Pause[]> {
  const { entries } = await broker.controlStore!.read(PAUSE_PREFIX);
  const pauses = entries.map(toPause).filter((one) => one !== undefined);
  if (pauses.length === 0) return [];
  const ignoredBy = await broker.findForeignBrokers();
  return pauses.map((one) => ({ ...one, ignoredBy }));
}

/**
 * Stores the pause of a queue, an actor or a worker.
 *
 * @returns The workers in Python that continue.
 * @throws {TypeError} If the target is invalid, or an option is of the wrong type.
 * @throws {RangeError} If `until` is not in the future.
 */
export async function storePause(
  broker: Broker,
  target: PauseTarget,
  options: PauseOptions,
): Promise<PauseOutcome> {
  const store = controlStoreOf(broker, "pause a queue, an actor or a worker");
  const { key, text } = readTarget(target, "pause");
  checkKnownOptions("pause", options, PAUSE_OPTIONS);
  const { reason } = options;
  if (reason !== undefined && typeof reason !== "string") {
    throw new TypeError(`Cannot pause ${text} for ${String(reason)}: it must be a string`);
  }
  const isWorker = key.startsWith(WORKER_PREFIX);
  if (isWorker && options.until !== undefined) {
    throw new TypeError(`Cannot pause ${text} until a time: workers do not resume by themselves`);
  }
  const { now } = await store.change([]);
  const until = options.until === undefined ? undefined : Number(options.until);
  if (until !== undefined && !(until > now && Number.isFinite(until))) {
    throw new RangeError(`Cannot pause ${text} until ${until}: it must be in the future`);
  }
  const value = {
    since: now,
    ...(until !== undefined && { until }),
    ...(reason !== undefined && { reason }),
  };
  const ttl = isWorker ? WORKER_TTL : until === undefined ? undefined : until - now;
  const ignoredBy = isWorker ? [] : await broker.findForeignBrokers();
  await store.change([{ key, value, ...(ttl !== undefined && { ttl }) }]);
  if (ignoredBy.length > 0) {
    log.warn("Paused {target}, but workers in Python go on; alive are: {ids}", {
      target: text,
      ids: ignoredBy.join(", "),
    });
  }
  return { ignoredBy };
}

/** Removes the pause of a queue, an actor or a worker. @returns Whether it was paused. */
export async function removePause(broker: Broker, target: PauseTarget): Promise<boolean> {
  const store = controlStoreOf(broker, "resume a queue, an actor or a worker");
  const { key } = readTarget(target, "resume");
  const wasPaused = await readEntry(store, key) !== undefined;
  await store.change([{ key, value: null }]);
  return wasPaused;
}

/** The key of a target, and its name for errors. */
function readTarget(
  target: PauseTarget,
  verb: "pause" | "resume",
): { readonly key: string; readonly text: string } {
  checkKnownOptions(verb, target, TARGET_OPTIONS);
  const { queue, actor, worker } = target;
  if ([queue, actor, worker].filter((one) => one !== undefined).length !== 1) {
    throw new TypeError(`Cannot ${verb}: name either a queue, an actor or a worker`);
  }
  if (queue !== undefined) {
    const queueName = canonicalQueueName(toCanonicalQueueName(queue, `${verb} queue`));
    return { key: QUEUE_PREFIX + queueName, text: `queue "${queueName}"` };
  }
  if (worker !== undefined) {
    if (typeof worker === "string" && worker !== "") {
      return { key: pauseKeyOf(worker), text: `worker "${worker}"` };
    }
    throw new TypeError(`Cannot ${verb} worker ${showValue(worker)}: it needs an id`);
  }
  const name: unknown = typeof actor === "string" ? actor : actor?.actorName;
  if (typeof name === "string" && name !== "") {
    return { key: ACTOR_PREFIX + name, text: `actor "${name}"` };
  }
  throw new TypeError(`Cannot ${verb} actor ${showValue(name)}: it needs a name`);
}
