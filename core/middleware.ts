import type { Actor } from "./actor.ts";
import type { Broker } from "./broker.ts";
import type { SkipMessage } from "./errors.ts";
import type { Cancelled, WorkerLost } from "./interrupt.ts";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import type { ResultSource } from "./result_source.ts";

export { FollowUpNotStored, MiddlewareError, SkipMessage } from "./errors.ts";

/** Result of running an actor. */
export interface ProcessOutcome {
  /** Returned value; `undefined` when it threw. */
  readonly result?: unknown;
  /** Thrown value; `undefined` when it returned. */
  readonly exception?: unknown;
}

/** End of a message in a worker. It decides whether the message is acknowledged, dead-lettered or requeued. */
export type Outcome =
  | "done"
  | "retried"
  | "failed"
  | "skipped"
  | "skippedAndFailed"
  | "cancelled"
  | "unknownActor"
  | "undecodable"
  | "followUpNotStored"
  | "lost";

/** A worker, as hooks see it. */
export interface WorkerInfo {
  /** The broker whose messages it processes. */
  readonly broker: Broker;
  /** Messages whose actors, or hooks, are running. */
  readonly running: readonly MessageProxy[];
  /** Number of messages by outcome, since the worker was made. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
}

/** The consumer of one queue of a worker, as hooks see it. */
export interface ConsumerInfo {
  /** The queue or delay queue. */
  readonly queueName: string;
}

/** A realm that runs actors, as hooks see it: the event loop, a thread or a child process. */
export interface RealmInfo {
  /** Highest number of messages that it runs at once. */
  readonly concurrency: number;
}

/**
 * Extension of a broker, a worker and the messages between them. Every hook is optional. A hook may
 * be asynchronous; only then is it awaited.
 *
 * Extend it or implement it: the class has no code. A hook that a middleware leaves out is never
 * called and costs nothing.
 *
 * `prepareMessage` and `before…` hooks run in the order of the list: a `MiddlewareError`
 * stops the rest and goes to the caller. `after…` hooks run in reverse. Any other error, and any
 * error at all in `after…`, is logged and ignored; `FollowUpNotStored` alone is
 * heard, in `afterProcessMessage`, `afterSkipMessage` and `beforeNack`.
 *
 * Source: `rules` in `tests/vectors/hooks.json`.
 *
 * @example Count what is processed
 * ```ts
 * import { type Broker, type MessageProxy, type Middleware, StubBroker } from "@dq/dramatiq";
 *
 * class Counter implements Middleware {
 *   count = 0;
 *   afterProcessMessage(_broker: Broker, _message: MessageProxy): void {
 *     this.count += 1;
 *   }
 * }
 *
 * new StubBroker().addMiddleware(new Counter());
 * ```
 */
export abstract class Middleware {
  /** Actor options that this middleware reads; others are refused at declaration. */
  declare readonly actorOptions?: readonly string[];
  /**
   * Functions that the command line runs in processes of their own. The signal aborts when
   * they are to end. One that gives a promise is done when that settles; one that does not, a
   * server for example, stays until then.
   */
  declare readonly forks?: readonly ((signal: AbortSignal) => unknown)[];
  /** Backend of results, for `getResult` of messages, groups and pipelines. */
  declare readonly resultBackend?: ResultSource;

  /**
   * Runs around the actor, in the realm where the actor runs: the place for
   * contexts, tracing, connections of a thread. The first of the list is outermost.
   *
   * @param message What is run.
   * @param next Runs the rest and gives the actor's result.
   * @returns The result, as the worker is to see it.
   */
  wrapActor?(message: MessageProxy, next: () => Promise<unknown>): Promise<unknown>;

  /**
   * Makes ready to count the members of a group that has completion callbacks.
   *
   * @param broker The broker that the group runs on.
   * @param completionUuid The group.
   * @param memberCount How many messages have to succeed.
   */
  beginGroup?(broker: Broker, completionUuid: string, memberCount: number): Promise<void>;

  /**
   * Refuses options of an actor that make no sense, before anything is declared.
   *
   * @throws {TypeError} If one is of the wrong type.
   * @throws {RangeError} If one is out of range.
   */
  checkActorOptions?(actor: Actor): void;

  /** Before a message is acknowledged. An error cannot keep it from that. */
  beforeAck?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** After a message was acknowledged. */
  afterAck?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /**
   * Before a message goes to the dead letters. No error can keep it from that but a
   * `FollowUpNotStored` whose cause is an unavailable server: it runs again then.
   */
  beforeNack?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** After a message went to the dead letters. */
  afterNack?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /**
   * After data that is not a message went to the dead letters. `message.message` is an
   * `UndecodableMessage` with the data and what is wrong with it. No other hook is called for it.
   * Python has no such hook.
   */
  afterUndecodable?(broker: Broker, message: MessageProxy): void | Promise<void>;

  /** Before an actor is declared. Synchronous, as declaring is. */
  beforeDeclareActor?(broker: Broker, actor: Actor): void;
  /** After an actor was declared. Synchronous. */
  afterDeclareActor?(broker: Broker, actor: Actor): void;
  /** Before a queue is declared. Synchronous. */
  beforeDeclareQueue?(broker: Broker, queueName: string): void;
  /** After a queue was declared. Synchronous. */
  afterDeclareQueue?(broker: Broker, queueName: string): void;
  /** After the delay queue of a queue was declared. Synchronous. */
  afterDeclareDelayQueue?(broker: Broker, queueName: string): void;

  /**
   * Gives the message to send in place of one, mostly a changed copy. Synchronous, and called
   * before `beforeEnqueue`: for each message of a batch, and for retries, pipeline steps and
   * callbacks. Not called for a delayed message whose time has come, nor for a dead letter
   * that is requeued: both keep what they carry.
   *
   * Retries, and follow-ups while their server is unavailable, can be passed here more than once:
   * make sure that to prepare a message twice does no harm. Python has no such hook: its
   * `before_enqueue` changes the message itself.
   *
   * @param broker The broker.
   * @param message What is to be sent, as the middleware before this one made it. It names its
   *   queue, not its delay queue, and has no `eta` yet.
   * @param cause The message that it follows from: the failed one for a retry, the one before
   *   for a pipeline step, the one that it tells of for a callback, the last member for the
   *   callback of a group. `undefined` for what a program or an actor sends.
   * @returns The message to send; `undefined` to leave it as it is.
   *
   * @example Carry the tenant on
   * ```ts
   * import { type Broker, type Message, type Middleware, StubBroker } from "@dq/dramatiq";
   *
   * const currentTenant = () => "acme";
   * class Tenancy implements Middleware {
   *   prepareMessage(_broker: Broker, message: Message, cause: Message | undefined): Message {
   *     const tenant = message.option("tenant") ?? cause?.option("tenant") ?? currentTenant();
   *     return message.copy({ options: { tenant } });
   *   }
   * }
   *
   * new StubBroker().addMiddleware(new Tenancy());
   * ```
   */
  prepareMessage?(
    broker: Broker,
    message: Message,
    cause: Message | undefined,
  ): Message | undefined;
  /**
   * Runs around sending a message, or many by one call: `prepareMessage`, `beforeEnqueue`, storing,
   * `afterEnqueue`. The place for tracing and measuring, since it also sees what fails. The first of
   * the list is outermost. Python has no such hook.
   *
   * Not called for what is sent in a transaction of SQLite, nor for what `prepareMessage` is not called
   * for.
   *
   * @param broker The broker.
   * @param messages What is to be sent, before `prepareMessage`; one, unless a batch is sent.
   * @param cause The message that they follow from, as for `prepareMessage`.
   * @param next Sends them, and calls `prepareMessage` before it returns. It is to be called once: a
   *   second call throws a `TypeError`, as one after the end of the hook does, and without a call the
   *   sender gets one.
   * @returns What `next` resolves to: what was stored, a list of it for a batch. The list is empty if
   *   nothing was stored: when another worker was first to send the message of a schedule. Anything
   *   else is logged, and the sender gets what was stored.
   */
  wrapEnqueue?<T extends Message | readonly Message[]>(
    broker: Broker,
    messages: readonly Message[],
    cause: Message | undefined,
    next: () => Promise<T>,
  ): Promise<T>;
  /**
   * Before a message is stored; a delayed one names its delay queue and `eta` already. It
   * cannot change the message: `prepareMessage` can.
   */
  beforeEnqueue?(broker: Broker, message: Message, delay: number | undefined): void | Promise<void>;
  /** After a message was stored. */
  afterEnqueue?(broker: Broker, message: Message, delay: number | undefined): void | Promise<void>;
  /** When a worker has received a delayed message, before it puts it on its queue. */
  beforeDelayMessage?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /**
   * After a delayed message was put on its queue, or given back because it could not
   * be. Each `beforeDelayMessage` is followed by it. Python has no such hook.
   */
  afterDelayMessage?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** Before the actor runs. After `message.fail()` it does not run. */
  beforeProcessMessage?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** After the actor ran, or failed. */
  afterProcessMessage?(
    broker: Broker,
    message: MessageProxy,
    outcome: ProcessOutcome,
  ): void | Promise<void>;
  /**
   * After a message was skipped or cancelled, or given back to its queue unfinished. Each
   * `beforeProcessMessage` is followed by either this or `afterProcessMessage`.
   *
   * @param broker The broker.
   * @param message What was skipped.
   * @param reason What a middleware or the actor threw to have it skipped; `WorkerLost`
   *   for one that was given back and will run again; `Cancelled` for one that was cancelled.
   */
  afterSkipMessage?(
    broker: Broker,
    message: MessageProxy,
    reason: SkipMessage | WorkerLost | Cancelled,
  ): void | Promise<void>;

  /** After the command line started a worker process. */
  afterProcessBoot?(broker: Broker): void | Promise<void>;
  /** Before a worker starts. */
  beforeWorkerBoot?(broker: Broker, worker: WorkerInfo): void | Promise<void>;
  /** After a worker started. */
  afterWorkerBoot?(broker: Broker, worker: WorkerInfo): void | Promise<void>;
  /** Before a worker stops. */
  beforeWorkerShutdown?(broker: Broker, worker: WorkerInfo): void | Promise<void>;
  /** After a worker stopped. */
  afterWorkerShutdown?(broker: Broker, worker: WorkerInfo): void | Promise<void>;
  /** After the consumer of a queue started. */
  afterConsumerThreadBoot?(broker: Broker, consumer: ConsumerInfo): void | Promise<void>;
  /** Before the consumer of a queue stops. */
  beforeConsumerThreadShutdown?(broker: Broker, consumer: ConsumerInfo): void | Promise<void>;
  /** After a realm that runs actors started: the event loop, or each of the threads. */
  afterWorkerThreadBoot?(broker: Broker, realm: RealmInfo): void | Promise<void>;
  /** Before a realm that runs actors stops. */
  beforeWorkerThreadShutdown?(broker: Broker, realm: RealmInfo): void | Promise<void>;
}
