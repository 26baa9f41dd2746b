import type { Actor } from "./actor.ts";
import type { Broker } from "./broker.ts";
import type { DebounceOptions } from "./debounce.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
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

/** Options of {@linkcode actor}; those of the middleware are explained there. */
export interface ActorOptions {
  /** Name on the wire; peers send to it. @default {fn.name} */
  actorName?: string;
  /** The queue that its messages go to. @default {"default"} */
  queueName?: string;
  /** Among the messages that a worker has in flight, lower goes first. @default {0} */
  priority?: number;
  /** The broker it is declared on. @default {getBroker()} */
  broker?: Broker;
  /** The class that the actor is of: one that extends `Actor`. @default {Actor} */
  actorClass?: AnyActorClass;
  /** See `AgeLimit`. Milliseconds. */
  maxAge?: number | null;
  /** See `TimeLimit`. Milliseconds. */
  timeLimit?: number | null;
  /** See `ShutdownNotifications`. */
  notifyShutdown?: boolean;
  /** See `Retries`; `null` lifts the limit. */
  maxRetries?: number | null;
  /** See `Retries`: how often a message may be snoozed; `null` for any number. @default {null} */
  maxSnoozes?: number | null;
  /** See `Retries`: snoozes a message when a rate limiter refuses. @default {false} */
  snoozeWhenLimited?: boolean;
  /** Lets one of its messages with the same arguments, or key, live at a time. @default {false} */
  unique?: boolean | UniqueOptions;
  /** Runs the last one of its messages of a key that are sent in a row, once no more come. */
  debounce?: DebounceOptions;
  /**
   * Number of workers that may die while a message runs, before it is dead-lettered with a
   * `PoisonMessage`; `null` for any number.
   *
   * @default {3}
   */
  maxDeaths?: number | null;
  /** See `Retries`. Milliseconds. */
  minBackoff?: number;
  /** See `Retries`. Milliseconds. */
  maxBackoff?: number;
  /** See `Retries`. Decides alone, with the number of retries so far. */
  retryWhen?: (retries: number, error: unknown) => boolean | Promise<boolean>;
  /** See `Retries`: errors that are expected, and not retried. */
  throws?: ErrorClass | readonly ErrorClass[];
  /** See `Retries`: the actor to call when no attempt is left. */
  onRetryExhausted?: AnyActor | string | null;
  /** See `Callbacks`: the actor to call with the result. */
  onSuccess?: AnyActor | string | null;
  /** See `Callbacks`: the actor to call after each failed attempt. */
  onFailure?: AnyActor | string | null;
  /** Keeps the result to itself when it is in a pipeline. */
  pipeIgnore?: boolean;
  /** See `Results`. */
  storeResults?: boolean;
  /** See `Results`. Milliseconds. */
  resultTtl?: number;
  /** RabbitMQ's priority of its messages: higher goes first. */
  brokerPriority?: number;
  /** The times at which it is sent a message by itself, as a pattern: see docs/periodic.md. */
  cron?: PeriodicTimes["cron"];
  /** The interval at which it is sent a message by itself: see docs/periodic.md. */
  every?: PeriodicTimes["every"];
  /** Options that other middleware declares. */
  [name: string]: unknown;
}

/** Any actor, whatever it takes and gives. */
// deno-lint-ignore no-explicit-any -- variance: parameters of a real actor fit only `any`
export type AnyActor = Actor<any[], unknown>;

/** Arguments a message may carry: all of them, or all but the last, which a pipeline brings. */
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

/** Options that take an actor, or the name of one. */
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
  /** Not of a message, but of its actor; a message may have `brokerPriority`. */
  priority?: never;
  /** Not of a message, but of its actor. */
  queueName?: never;
  /** Anything else travels along under its own name. */
  [name: string]: unknown;
}

/** Arguments, where a function cannot do without: positional ones, or those of a Python peer. */
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
  /** Not of a message, but of its actor; a message may have `brokerPriority`. */
  priority?: never;
  /** Not of a message, but of its actor. */
  queueName?: never;
  /** Anything else travels along under its own name. */
  [name: string]: unknown;
}

/** Options of {@linkcode Broker.enqueue}. */
export interface EnqueueOptions {
  /** Delay of the message; 0 sends it through the delay queue, too. */
  delay?: Duration | undefined;
  /**
   * The message that this one follows from, as `prepareMessage` of the middleware gets it.
   * Retries, pipelines and callbacks set it.
   */
  cause?: Message | undefined;
  /** @internal True if it is a part of a group or pipeline: it asks for no claim. */
  isPart?: boolean;
  /**
   * Ends the wait when it aborts. The message is not withdrawn: it may arrive all the same, also
   * later, when the server is back.
   */
  signal?: AbortSignal | undefined;
}

/** @returns The delay of a message in milliseconds, if it has one. */
export function delayOf({ delay }: EnqueueOptions): number | undefined {
  return delay === undefined ? undefined : toMilliseconds(delay, "delay");
}
