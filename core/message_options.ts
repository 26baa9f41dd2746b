/** Options of a message in wire form: built-in ones in snake_case, others under any name. */
export type WireOptions = Readonly<Record<string, unknown>>;

/** Options of a message that the built-in middleware and brokers know. */
export interface KnownMessageOptions {
  /** See `AgeLimit`. Milliseconds. */
  maxAge?: number | null;
  /** See `TimeLimit`. Milliseconds. */
  timeLimit?: number | null;
  /** Trace context: `traceparent`, `tracestate`, `baggage`. See `OpenTelemetry`. */
  traceCtx?: unknown;
  /** See `ShutdownNotifications`. */
  notifyShutdown?: boolean | null;
  /** See `Retries`; `null` for no limit. */
  maxRetries?: number | null;
  /** See `Retries`. Milliseconds. */
  minBackoff?: number | null;
  /** See `Retries`. Milliseconds. */
  maxBackoff?: number | null;
  /** Number of workers that may die while it runs; `null` for no limit. */
  maxDeaths?: number | null;
  /** See `Retries`: maximum of snoozes; `null` for no limit. */
  maxSnoozes?: number | null;
  /** See `Retries`: snoozes it when a rate limiter refuses. */
  snoozeWhenLimited?: boolean | null;
  /** See `Retries`: the actor to call when no attempt is left. */
  onRetryExhausted?: string | null;
  /** See `Callbacks`: the actor to call with the result. */
  onSuccess?: string | null;
  /** See `Callbacks`: the actor to call after each failed attempt. */
  onFailure?: string | null;
  /** In a pipeline, does not add the result of the message before to its arguments. */
  pipeIgnore?: boolean;
  /** The next message of the pipeline, in wire form. */
  pipeTarget?: unknown;
  /** See `Results`. */
  storeResults?: boolean | null;
  /** See `Results`. Milliseconds. */
  resultTtl?: number | null;
  /** Its group, if that has callbacks for the success of all members. */
  groupCompletionUuid?: string;
  /** Messages to send when all members have succeeded, in wire form. */
  groupCompletionCallbacks?: unknown;
  /** Its group, if that has callbacks for the end of all members. */
  groupSettledUuid?: string;
  /** Messages to send when all members have settled, in wire form. */
  groupSettledCallbacks?: unknown;
  /** Priority in RabbitMQ: higher ones are delivered first. */
  brokerPriority?: number | null;
  /** Milliseconds by which a pipeline delays this message. */
  delay?: number | null;
  /** Time at which a delayed message is due, in milliseconds since the epoch. */
  eta?: number;
  /** Number of failed attempts so far. */
  retries?: number;
  /** The schedule that sent it, see `PeriodicMessage`. */
  periodic?: unknown;
  /** See the actor option `unique`: the key, instead of the result of `by`. */
  uniqueKey?: string | number;
  /** Number of times it was snoozed. */
  snoozes?: number;
  /** Number of workers that died while it ran, in earlier attempts. */
  deaths?: number;
  /** Traceback of the last error. */
  traceback?: string;
  /** Time of the decision to retry, in milliseconds since the epoch. */
  requeueTimestamp?: number;
  /** Id on a queue in Redis, new each time that it is stored. */
  redisMessageId?: string;
}

/** Options that only the library sets, and that the types of `sendWithOptions` do not offer. */
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
 * Options of a message, by their names in this library. Other options are kept under their names.
 */
export interface MessageOptions extends KnownMessageOptions {
  /** Anything else. */
  [name: string]: unknown;
}

/** Names of built-in options that differ on the wire, as in Python dramatiq. */
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
 * @param options Options by their names in this library; those that are `undefined` are left out.
 * @returns The options in wire form, in the same order.
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
 * @param wire Options in wire form.
 * @returns The options by their names in this library. If both spellings of an option are on the wire,
 *   Python's is used.
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

/** Sets an own property of any name, even `__proto__`. */
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
