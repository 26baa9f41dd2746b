/** Options of a message as they travel: built-in ones in snake_case, others under any name. */
export type WireOptions = Readonly<Record<string, unknown>>;

/** Options of a message that the built-in middleware and brokers know. */
export interface KnownMessageOptions {
  /** See `AgeLimit`. Milliseconds. */
  maxAge?: number | null;
  /** See `TimeLimit`. Milliseconds. */
  timeLimit?: number | null;
  /** The trace that it belongs to: `traceparent`, `tracestate`, `baggage`. See `OpenTelemetry`. */
  traceCtx?: unknown;
  /** See `ShutdownNotifications`. */
  notifyShutdown?: boolean | null;
  /** See `Retries`; `null` lifts the limit. */
  maxRetries?: number | null;
  /** See `Retries`. Milliseconds. */
  minBackoff?: number | null;
  /** See `Retries`. Milliseconds. */
  maxBackoff?: number | null;
  /** Number of workers that may die while it runs; `null` for any number. */
  maxDeaths?: number | null;
  /** See `Retries`: how often it may be snoozed; `null` for any number. */
  maxSnoozes?: number | null;
  /** See `Retries`: whether a rate limiter that refuses snoozes it. */
  snoozeWhenLimited?: boolean | null;
  /** See `Retries`: the actor to call when no attempt is left. */
  onRetryExhausted?: string | null;
  /** See `Callbacks`: the actor to call with the result. */
  onSuccess?: string | null;
  /** See `Callbacks`: the actor to call after each failed attempt. */
  onFailure?: string | null;
  /** Makes a pipeline run this message with its own arguments only. */
  pipeIgnore?: boolean;
  /** The next message of the pipeline, in wire form. */
  pipeTarget?: unknown;
  /** See `Results`. */
  storeResults?: boolean | null;
  /** See `Results`. Milliseconds. */
  resultTtl?: number | null;
  /** The group that this message is a member of. */
  groupCompletionUuid?: string;
  /** Messages to send when the group has completed, in wire form. */
  groupCompletionCallbacks?: unknown;
  /** The group that this message is a member of, whose members need not succeed. */
  groupSettledUuid?: string;
  /** Messages to send when its members have settled, in wire form. */
  groupSettledCallbacks?: unknown;
  /** RabbitMQ's priority of the message: higher goes first. */
  brokerPriority?: number | null;
  /** Milliseconds by which a pipeline delays this message. */
  delay?: number | null;
  /** Milliseconds since the epoch at which a delayed message is due. */
  eta?: number;
  /** Failed attempts so far. */
  retries?: number;
  /** The schedule that has sent it, see `PeriodicMessage`. */
  periodic?: unknown;
  /** See the actor option `unique`: the key, in place of what its `by` makes of the arguments. */
  uniqueKey?: string | number;
  /** Number of times it was snoozed. */
  snoozes?: number;
  /** Number of workers that died while it ran, in attempts before this one. */
  deaths?: number;
  /** The last error, for people to read. */
  traceback?: string;
  /** Milliseconds since the epoch at which the last retry was decided. */
  requeueTimestamp?: number;
  /** The Redis broker's own id of one stay in a queue. */
  redisMessageId?: string;
}

/** Options that the library sets, and callers do not: they are not offered when a message is sent. */
export type LibraryOption =
  | "deaths"
  | "groupCompletionUuid"
  | "groupCompletionCallbacks"
  | "groupSettledUuid"
  | "groupSettledCallbacks"
  | "periodic"
  | "redisMessageId"
  | "requeueTimestamp"
  | "retries"
  | "snoozes"
  | "traceback"
  | "traceCtx";

/**
 * Options of a message, by their names here. Besides the known ones, any other
 * travels along under its own name.
 */
export interface MessageOptions extends KnownMessageOptions {
  /** Anything else. */
  [name: string]: unknown;
}

/** The built-in names that differ on the wire, as Python dramatiq spells them. */
const WIRE_NAMES: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["brokerPriority", "broker_priority"],
  ["groupCompletionCallbacks", "group_completion_callbacks"],
  ["groupCompletionUuid", "group_completion_uuid"],
  ["groupSettledCallbacks", "group_settled_callbacks"],
  ["groupSettledUuid", "group_settled_uuid"],
  ["maxAge", "max_age"],
  ["maxBackoff", "max_backoff"],
  ["maxDeaths", "max_deaths"],
  ["maxRetries", "max_retries"],
  ["maxSnoozes", "max_snoozes"],
  ["minBackoff", "min_backoff"],
  ["notifyShutdown", "notify_shutdown"],
  ["onFailure", "on_failure"],
  ["onRetryExhausted", "on_retry_exhausted"],
  ["onSuccess", "on_success"],
  ["pipeIgnore", "pipe_ignore"],
  ["pipeTarget", "pipe_target"],
  ["redisMessageId", "redis_message_id"],
  ["requeueTimestamp", "requeue_timestamp"],
  ["resultTtl", "result_ttl"],
  ["retryWhen", "retry_when"],
  ["snoozeWhenLimited", "snooze_when_limited"],
  ["storeResults", "store_results"],
  ["timeLimit", "time_limit"],
  ["traceCtx", "trace_ctx"],
  ["uniqueKey", "unique_key"],
]);

const LOCAL_NAMES: ReadonlyMap<string, string> = /* @__PURE__ */ new Map(
  [...WIRE_NAMES].map(([local, wire]) => [wire, local]),
);

/** @returns The name of an option on the wire. */
export function toWireName(name: string): string {
  return WIRE_NAMES.get(name) ?? name;
}

/** Options of a message that has none. */
export const NO_OPTIONS: WireOptions = /* @__PURE__ */ Object.freeze({});

/**
 * @param options Options by their names here; one that is `undefined` counts as not there.
 * @returns The same options by their names on the wire, in the same order.
 */
export function toWireOptions(options: MessageOptions | undefined): WireOptions {
  if (options === undefined) return NO_OPTIONS;
  const wire: Record<string, unknown> = {};
  for (const name of Object.keys(options)) {
    const value = options[name];
    if (value !== undefined) define(wire, toWireName(name), value);
  }
  return wire;
}

/**
 * @param wire Options by their names on the wire.
 * @returns The same options by their names here. Should both spellings of one be
 *   on the wire, Python's counts.
 */
export function fromWireOptions(wire: WireOptions): MessageOptions {
  const options: MessageOptions = {};
  for (const name of Object.keys(wire)) {
    const local = LOCAL_NAMES.get(name) ?? name;
    const isShadowed = local === name && Object.hasOwn(wire, toWireName(name)) &&
      toWireName(name) !== name;
    if (!isShadowed) define(options, local, wire[name]);
  }
  return Object.freeze(options);
}

/** Sets an own property, whatever its name: `__proto__` is a name like any other here. */
export function define(object: object, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(object, name, {
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  } else {
    (object as Record<string, unknown>)[name] = value;
  }
}

/** @returns The name of the only option, if there is one. */
export function soleNameOf(options: WireOptions): string | undefined {
  let sole: string | undefined;
  for (const name in options) {
    if (sole !== undefined) return undefined;
    sole = name;
  }
  return sole;
}

/** True if there are no options. */
export function hasNone(options: WireOptions): boolean {
  for (const _name in options) return false;
  return true;
}
