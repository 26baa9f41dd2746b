import type { Actor } from "./actor.ts";
import type { Broker } from "./broker.ts";
import type { DebounceOptions } from "./debounce.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import {
  assertOptions,
  assertSignal,
  checkKnownOptions,
  type KnownOptions,
} from "./known_options.ts";
import type { Message } from "./message.ts";
import type { Kwargs } from "./message_dict.ts";
import type { PeriodicTimes } from "./schedules.ts";
import type { UniqueOptions } from "./unique.ts";
import type { KnownMessageOptions, LibraryOption } from "./message_options.ts";

/** Anything that can be an actor. */
// deno-lint-ignore no-explicit-any -- the arguments are inferred from the function
export type ActorFunction = (...args: any[]) => unknown;

/** An error class, or several, for {@linkcode ActorOptions.throws}. */
// deno-lint-ignore no-explicit-any -- whatever its constructor takes
export type ErrorClass = abstract new (...args: any[]) => Error;

/** A class that extends `Actor`, for {@linkcode ActorOptions.actorClass}. */
export type AnyActorClass = new (
  // deno-lint-ignore no-explicit-any -- whatever function the class takes
  fn: any,
  options?: ActorOptions,
) => AnyActor;

/** Options of {@linkcode actor}; options of middleware are explained there. */
export interface ActorOptions {
  /** Name of the actor in messages. @default {fn.name} */
  actorName?: string;
  /** Queue of its messages. @default {"default"} */
  queueName?: string;
  /** Priority among the messages that a worker has in flight: lower numbers run first. @default {0} */
  priority?: number;
  /** The broker that it is declared on. @default {getBroker()} */
  broker?: Broker;
  /** Class of the actor, which extends `Actor`. @default {Actor} */
  actorClass?: AnyActorClass;
  /** See `AgeLimit`. Milliseconds. */
  maxAge?: number | null;
  /** See `TimeLimit`. Milliseconds. */
  timeLimit?: number | null;
  /** See `ShutdownNotifications`. */
  notifyShutdown?: boolean;
  /** See `Retries`; `null` for no limit. */
  maxRetries?: number | null;
  /** See `Retries`: maximum of snoozes of a message; `null` for no limit. @default {null} */
  maxSnoozes?: number | null;
  /** See `Retries`: snoozes a message when a rate limiter refuses. @default {false} */
  snoozeWhenLimited?: boolean;
  /** Allows one message with the same arguments, or key, at a time. @default {false} */
  unique?: boolean | UniqueOptions;
  /** Of messages with the same key in quick succession, runs the last one once no more follow. */
  debounce?: DebounceOptions;
  /**
   * Number of workers that may die while a message runs before it is dead-lettered with a
   * `PoisonMessage`; `null` for no limit.
   *
   * @default {3}
   */
  maxDeaths?: number | null;
  /** See `Retries`. Milliseconds. */
  minBackoff?: number;
  /** See `Retries`. Milliseconds. */
  maxBackoff?: number;
  /** See `Retries`: decides on a retry instead of `maxRetries`. */
  retryWhen?: (retries: number, error: unknown) => boolean | Promise<boolean>;
  /** See `Retries`: errors that are expected, and not retried. */
  throws?: ErrorClass | readonly ErrorClass[];
  /** See `Retries`: the actor to call when no attempt is left. */
  onRetryExhausted?: AnyActor | string | null;
  /** See `Callbacks`: the actor to call with the result. */
  onSuccess?: AnyActor | string | null;
  /** See `Callbacks`: the actor to call after each failed attempt. */
  onFailure?: AnyActor | string | null;
  /** In a pipeline, does not pass its result on. */
  pipeIgnore?: boolean;
  /** See `Results`. */
  storeResults?: boolean;
  /** See `Results`. Milliseconds. */
  resultTtl?: number;
  /** Priority of its messages in RabbitMQ: higher ones are delivered first. */
  brokerPriority?: number;
  /** Sends it a message at the times of a cron pattern: see docs/periodic.md. */
  cron?: PeriodicTimes["cron"];
  /** Sends it a message at an interval: see docs/periodic.md. */
  every?: PeriodicTimes["every"];
  /** Options of other middleware. */
  [name: string]: unknown;
}

/** An actor with any parameters and result. */
// deno-lint-ignore no-explicit-any -- variance: parameters of a real actor fit only `any`
export type AnyActor = Actor<any[], unknown>;

/** Arguments of a message: all of them, or all but the last, which a pipeline adds. */
export type MessageArgs<P extends readonly unknown[]> = P | AllButLast<P>;

/** Parameters without the last one, or without optional ones and the one before them. */
export type AllButLast<P extends readonly unknown[]> = number extends P["length"] ? P
  : P extends readonly [...infer Head, unknown] ? Head
  : P extends readonly [...infer Head, unknown?] ? Head | AllButLast<Head>
  : P;

/** Arguments that a pipeline adds to the arguments `A` of a function of parameters `P`. */
export type PipedInput<P extends readonly unknown[], A extends readonly unknown[]> =
  `${A["length"]}` extends keyof P ? P[A["length"]]
    : number extends P["length"] ? P[number]
    : unknown;

/** Options whose value is an actor, or its name. */
export type CallbackOption = "onSuccess" | "onFailure" | "onRetryExhausted";

/** Options of {@linkcode Actor.messageWithOptions}. */
export interface MessageWithOptions<A extends readonly unknown[]>
  extends Omit<KnownMessageOptions, CallbackOption | LibraryOption> {
  /** Positional arguments. @default {[]} */
  args?: A;
  /** Keyword arguments, for an actor in Python. */
  kwargs?: Kwargs;
  /** See `Callbacks`: the actor to call with the result. */
  onSuccess?: AnyActor | string | null;
  /** See `Callbacks`: the actor to call after each failed attempt. */
  onFailure?: AnyActor | string | null;
  /** See `Retries`: the actor to call when no attempt is left. */
  onRetryExhausted?: AnyActor | string | null;
  /** An option of actors only; a message may have `brokerPriority`. */
  priority?: never;
  /** An option of actors only. */
  queueName?: never;
  /** Other options are kept under their names. */
  [name: string]: unknown;
}

/** `args` or `kwargs`, unless all parameters of the function are optional. */
export type ArgsOf<P extends readonly unknown[]> = [] extends P ? unknown
  : { args: P } | { kwargs: Kwargs };

/** Options of {@linkcode Actor.sendWithOptions}. */
export interface SendWithOptions<A extends readonly unknown[]>
  extends Omit<KnownMessageOptions, CallbackOption | LibraryOption | "delay"> {
  /** Positional arguments. @default {[]} */
  args?: A;
  /** Keyword arguments, for an actor in Python. */
  kwargs?: Kwargs;
  /** Delay of the message. */
  delay?: Duration;
  /** Ends the wait for the server when it aborts, see `EnqueueOptions.signal`. */
  signal?: AbortSignal;
  /** See `Callbacks`: the actor to call with the result. */
  onSuccess?: AnyActor | string | null;
  /** See `Callbacks`: the actor to call after each failed attempt. */
  onFailure?: AnyActor | string | null;
  /** See `Retries`: the actor to call when no attempt is left. */
  onRetryExhausted?: AnyActor | string | null;
  /** An option of actors only; a message may have `brokerPriority`. */
  priority?: never;
  /** An option of actors only. */
  queueName?: never;
  /** Other options are kept under their names. */
  [name: string]: unknown;
}

/** Options of {@linkcode Broker.enqueue}. */
export interface EnqueueOptions {
  /** Delay of the message; even 0 sends it through the delay queue. */
  delay?: Duration | undefined;
  /**
   * The message that caused this one, for `prepareMessage` of middleware. Retries, pipelines and callbacks
   * set it.
   */
  cause?: Message | undefined;
  /** @internal True for a message of a group or pipeline, which is not checked for duplicates. */
  isPart?: boolean;
  /**
   * Ends the wait when it aborts. The message is not cancelled, and may still be stored, even later when
   * the server is back.
   */
  signal?: AbortSignal | undefined;
}

const ENQUEUE_OPTIONS: KnownOptions<Omit<EnqueueOptions, "isPart">> = {
  cause: true,
  delay: true,
  signal: "AbortSignal",
};

/**
 * Reads the delay of a message.
 *
 * @returns Milliseconds, if it has one.
 * @throws {TypeError} If it is not a duration, `signal` is no AbortSignal, or an option is not known: a
 *   misspelled delay would send the message at once.
 */
export function delayOf(options: EnqueueOptions): number | undefined {
  assertOptions("enqueue", options);
  const { delay, signal } = options;
  if (signal !== undefined) assertSignal("enqueue", signal);
  for (const name in options) {
    if (Object.hasOwn(ENQUEUE_OPTIONS, name) || name === "isPart") continue;
    const { isPart: _isPart, ...others } = options;
    checkKnownOptions("enqueue", others, ENQUEUE_OPTIONS);
  }
  return delay === undefined ? undefined : toMilliseconds(delay, "delay");
}
