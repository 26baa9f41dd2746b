import { showValue } from "../platform/show_value.ts";
import { type ControlChange, type ControlStore, readEntry } from "./control_store.ts";
import type { Clock } from "../platform/clock.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { checkKnownOptions, type KnownOptions } from "./known_options.ts";
import type { MessageChanges } from "./message_fields.ts";
import { canonicalQueueName } from "./queue_names.ts";
import {
  DEFAULT_GRACE,
  ID_PREFIX,
  PREDICATE_PREFIX,
  type StoredCancellation,
  UNDONE,
} from "./stored_cancellation.ts";

/** Options of `message.cancel()`, `Control.cancel` and similar methods. */
export interface CancelOptions {
  /** Reason, for logs, results and dead letters. @default {"cancelled"} */
  reason?: string;
  /** Time that a running actor gets to end after its signal has aborted. @default {1_000} */
  grace?: Duration;
  /**
   * Time to live of the cancellation. A message that is delivered later runs.
   *
   * @default {604_800_000} Seven days; for a message that is delayed further, a day after its eta.
   */
  ttl?: Duration;
  /**
   * Moves the message to the dead letters, from where it can be requeued, instead of dropping it.
   *
   * @default {false}
   */
  keep?: boolean;
}

/** Messages to cancel: those that match all given fields. */
export interface CancelPredicate {
  /** An actor, or the name of one. */
  actor?: { readonly actorName: string } | string;
  /** A queue. */
  queue?: string;
  /**
   * Cancels messages made before this time, by the clocks of their producers.
   *
   * @default The present time of the control store.
   */
  before?: number | Date;
}

const CANCEL_OPTIONS: KnownOptions<CancelOptions> = {
  reason: true,
  grace: true,
  ttl: true,
  keep: "boolean",
};
const PREDICATE_OPTIONS: KnownOptions<CancelPredicate> = { actor: true, queue: true, before: true };

/** Option of a message that was cancelled and dead-lettered. */
const KEPT = "cancelled";
const DAY = 86_400_000;
const DEFAULT_TTL = 7 * DAY;
/** Maximum of cancellations that are stored in one step. */
const BATCH = 500;
/** Milliseconds by which the clock of a caller may be ahead of that of the store. */
const CLOCK_TOLERANCE = 60_000;

/** The parts of a broker that a control store needs. */
export interface ControlledBroker {
  readonly clock: Clock;
  readonly controlStore: ControlStore | undefined;
}

/** The parts of a message that a cancellation needs. */
export interface CancellableMessage {
  readonly messageId: string;
  /** One option. */
  option(name: string): unknown;
  /** A changed copy. */
  copy(changes: MessageChanges): unknown;
}

/** The control store of a broker. @throws {TypeError} If it has none. */
export function controlStoreOf(
  broker: Pick<ControlledBroker, "controlStore">,
  purpose: string,
): ControlStore {
  const { controlStore } = broker;
  if (controlStore !== undefined) return controlStore;
  const { name } = broker.constructor;
  const advice = name === "RabbitmqBroker"
    ? "give it one: new RabbitmqBroker({ control: new RedisControlStore({ url }) })"
    : "its broker class does not provide one";
  throw new TypeError(`Cannot ${purpose}: the ${name} has no control store; ${advice}`);
}

/** A message to cancel. */
export interface CancelTarget {
  readonly messageId: string;
  /** Its eta, in milliseconds since the epoch, if it is delayed. */
  readonly eta?: number;
}

/** @returns A message as {@linkcode cancelMessages} takes it. */
export function cancelTargetOf(message: CancellableMessage): CancelTarget {
  const { messageId } = message;
  const eta = message.option("eta");
  return typeof eta === "number" ? { messageId, eta } : { messageId };
}

/**
 * Stores cancellations of messages.
 *
 * @param broker The broker, which must have a control store.
 * @param targets The messages.
 * @param options The reason, the grace period and more.
 * @throws {TypeError} If the broker has no control store, or an option is of the wrong type.
 * @throws {RangeError} If an id is empty, or a time below 0.
 * @throws {BrokerConnectionError} If the store cannot be reached.
 */
export async function cancelMessages(
  broker: ControlledBroker,
  targets: readonly CancelTarget[],
  options: CancelOptions = {},
): Promise<void> {
  const store = controlStoreOf(broker, "cancel messages");
  const { value, ttl } = readOptions(options);
  const changes = targets.map(({ messageId, eta }): ControlChange => {
    if (typeof messageId !== "string" || messageId === "") {
      throw new RangeError(
        `Cannot cancel message ${showValue(messageId)}: the id must not be empty`,
      );
    }
    const untilDue = eta === undefined ? 0 : eta - broker.clock.now() + DAY;
    return { key: ID_PREFIX + messageId, value, ttl: ttl ?? Math.max(DEFAULT_TTL, untilDue) };
  });
  for (let i = 0; i < changes.length; i += BATCH) await store.change(changes.slice(i, i + BATCH));
}

/**
 * Stores the cancellation of all messages that match.
 *
 * @param broker The broker, which must have a control store.
 * @param predicate The messages.
 * @param options The reason, the grace period and more.
 * @returns The time, in milliseconds since the epoch: only messages made before it are cancelled.
 * @throws {TypeError} If neither an actor nor a queue is given, or the broker has no control store.
 * @throws {RangeError} If a time is below 0, or `before` in the future.
 * @throws {BrokerConnectionError} If the store cannot be reached.
 */
export async function cancelMatching(
  broker: ControlledBroker,
  predicate: CancelPredicate,
  options: CancelOptions = {},
): Promise<number> {
  const store = controlStoreOf(broker, "cancel messages");
  checkKnownOptions("cancel messages", predicate, PREDICATE_OPTIONS);
  const { actor, queue } = predicate;
  if (actor === undefined && queue === undefined) {
    throw new TypeError("Cannot cancel all messages: name an actor or a queue");
  }
  const isActor = typeof actor === "string" || (Object(actor) === actor && "actorName" in actor!);
  if (actor !== undefined && !isActor) {
    throw new TypeError(
      `Cannot cancel messages of ${String(actor)}: it must be an actor or a name`,
    );
  }
  const actorName = typeof actor === "string" ? actor : actor?.actorName;
  for (const [what, name] of Object.entries({ actor: actorName, queue })) {
    if (name === undefined || (typeof name === "string" && name !== "")) continue;
    throw new TypeError(
      `Cannot cancel messages of ${what} ${showValue(name)}: it needs a name`,
    );
  }
  const { value, ttl = DEFAULT_TTL } = readOptions(options);
  const { now } = await store.change([]);
  const before = predicate.before === undefined ? now : Number(predicate.before);
  if (!(before <= now + CLOCK_TOLERANCE)) {
    throw new RangeError(`Cannot cancel messages made before ${before}: that is in the future`);
  }
  const record = {
    ...value,
    before,
    ...(actorName !== undefined && { actor: actorName }),
    ...(queue !== undefined && { queue: canonicalQueueName(queue) }),
  };
  const key = PREDICATE_PREFIX + crypto.randomUUID();
  await store.change([{ key, value: record, ttl }]);
  return before;
}

function readOptions(options: CancelOptions): { value: StoredCancellation; ttl?: number } {
  checkKnownOptions("cancel", options, CANCEL_OPTIONS);
  const { reason = "cancelled", keep = false } = options;
  if (typeof reason !== "string") {
    throw new TypeError(`Cannot cancel messages for ${String(reason)}: reason must be a string`);
  }
  const grace = toMilliseconds(options.grace ?? DEFAULT_GRACE, "grace");
  if (!(grace >= 0)) throw new RangeError(`Cannot use grace ${grace}: it must be 0 or more`);
  const value = { reason, grace, ...(keep && { keep: true }) };
  if (options.ttl === undefined) return { value };
  const ttl = toMilliseconds(options.ttl, "ttl");
  if (!(ttl > 0)) {
    throw new RangeError(`Cannot keep a cancellation for ${ttl} ms: it must be above 0`);
  }
  return { value, ttl };
}

/**
 * Removes the cancellation of a message before it is requeued. For workers that have not read the
 * control store since, an option of the message says so.
 *
 * @param broker The broker.
 * @param message The message to requeue.
 * @returns The message to store.
 */
export async function undoCancellation<M extends CancellableMessage>(
  broker: ControlledBroker,
  message: M,
): Promise<M> {
  const { controlStore } = broker;
  if (controlStore === undefined || message.option(KEPT) !== true) return message;
  const key = ID_PREFIX + message.messageId;
  const entry = await readEntry(controlStore, key);
  if (entry === undefined) return message.copy({ options: { [KEPT]: undefined } }) as M;
  await controlStore.change([{ key, value: null }]);
  return message.copy({ options: { [KEPT]: undefined, [UNDONE]: entry.version } }) as M;
}

/** Marks a cancelled message that will be dead-lettered, for {@linkcode undoCancellation}. */
export function markKept<M extends CancellableMessage>(delivery: { message: M }): void {
  delivery.message = delivery.message.copy({ options: { [KEPT]: true } }) as M;
}

/** True for a dead letter that is one because it was cancelled. */
export function isKept(
  { options }: { readonly options: Readonly<Record<string, unknown>> },
): boolean {
  return options[KEPT] === true;
}
