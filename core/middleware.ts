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
  /** Returned value; `undefined` if it threw. */
  readonly result?: unknown;
  /** Thrown value; `undefined` if it returned. */
  readonly exception?: unknown;
}

/** Outcome of a message, which decides whether it is acknowledged, dead-lettered or requeued. */
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

/** A worker, for hooks. */
export interface WorkerInfo {
  /** The broker whose messages it processes. */
  readonly broker: Broker;
  /** Messages whose actors, or hooks, are running. */
  readonly running: readonly MessageProxy[];
  /** Number of messages by outcome, since the worker was made. */
  readonly outcomes: Readonly<Record<Outcome, number>>;
}

/** The consumer of one queue of a worker, for hooks. */
export interface ConsumerInfo {
  /** The queue or delay queue. */
  readonly queueName: string;
}

/** A realm that runs actors, for hooks: the event loop of the worker, a thread or a child process. */
export interface RealmInfo {
  /** Number of messages that it runs at once. */
  readonly concurrency: number;
}

/**
 * Extension of brokers and workers, made of hooks. All hooks are optional, and may be asynchronous unless
 * their documentation says otherwise.
 *
 * Extend or implement this class, which has no code. Missing hooks cost nothing.
 *
 * `prepareMessage` and `before…` hooks run in the order of the list: a `MiddlewareError` skips the rest,
 * and is thrown to the caller. `after…` hooks run in reverse order. Other errors, and all errors of
 * `after…` hooks, are logged and ignored, except `FollowUpNotStored` in `afterProcessMessage`,
 * `afterSkipMessage` and `beforeNack`.
 *
 * Source: `rules` in `tests/vectors/hooks.json`.
 *
 * @example Count processed messages
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
  /** Names of the actor options that it reads. Options that no middleware reads are refused. */
  declare readonly actorOptions?: readonly string[];
  /**
   * Functions that the command line runs in separate processes. The signal aborts when the process should
   * end. If a function returns a promise, its process ends when that settles; otherwise it runs until the
   * signal aborts.
   */
  declare readonly forks?: readonly ((signal: AbortSignal) => unknown)[];
  /** Backend of results, for `getResult` of messages, groups and pipelines. */
  declare readonly resultBackend?: ResultSource;

  /**
   * Wraps the actor, in the thread or process where it runs, for contexts, tracing or connections of a
   * thread. The first middleware of the list is outermost.
   *
   * @param message The message.
   * @param next Runs the inner middleware and the actor.
   * @returns The result for the worker, usually that of `next`.
   */
  wrapActor?(message: MessageProxy, next: () => Promise<unknown>): Promise<unknown>;

  /**
   * Prepares to count the members of a group with completion callbacks.
   *
   * @param broker The broker of the group.
   * @param completionUuid Id of the group.
   * @param memberCount Number of members.
   */
  beginGroup?(broker: Broker, completionUuid: string, memberCount: number): Promise<void>;

  /**
   * Refuses invalid options of an actor, before it is declared.
   *
   * @throws {TypeError} If one is of the wrong type.
   * @throws {RangeError} If one is out of range.
   */
  checkActorOptions?(actor: Actor): void;

  /** Before a message is acknowledged. An error does not prevent that. */
  beforeAck?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** After a message was acknowledged. */
  afterAck?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /**
   * Before a message is dead-lettered. Only a `FollowUpNotStored` whose cause is an unavailable server
   * prevents that: the message runs again then.
   */
  beforeNack?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** After a message was dead-lettered. */
  afterNack?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /**
   * After undecodable data was dead-lettered. `message.message` is an `UndecodableMessage` with the data
   * and the error. No other hook is called for it. Python has no such hook.
   */
  afterUndecodable?(broker: Broker, message: MessageProxy): void | Promise<void>;

  /** Before an actor is declared. Synchronous. */
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
   * Replaces a message that is being sent, usually by a changed copy. Synchronous. Called before
   * `beforeEnqueue`, for each message of a batch, and for retries, pipeline steps and callbacks. Not called
   * for a delayed message that is due, or a dead letter that is requeued: they keep their options.
   *
   * It may be called more than once for the same message: for each retry, and while the server is
   * unavailable. Python has no such hook: its `before_enqueue` changes the message itself.
   *
   * @param broker The broker.
   * @param message The message, as the middleware before this one returned it. Its `queueName` is not the
   *   delay queue, and it has no `eta` yet.
   * @param cause The message that caused this one: for a retry the failed message, for a pipeline step the
   *   one before it, for a callback the message that it reports, for the callback of a group its last
   *   member. `undefined` if a program or an actor sends the message.
   * @returns The message to send; `undefined` for no change.
   *
   * @example Pass the tenant on
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
   * Wraps the sending of a message, or of a batch: `prepareMessage`, `beforeEnqueue`, storing and
   * `afterEnqueue`. For tracing and measuring, since it also sees failures. The first middleware of the
   * list is outermost. Python has no such hook.
   *
   * Not called for messages for which `prepareMessage` is not called, or which are sent in a transaction of
   * SQLite.
   *
   * @param broker The broker.
   * @param messages The messages before `prepareMessage`; one, unless a batch is sent.
   * @param cause The message that caused them, as for `prepareMessage`.
   * @param next Sends them, and calls `prepareMessage` before it returns. Call it exactly once: a second
   *   call, or one after the end of the hook, throws a `TypeError`, and without a call the sender gets
   *   one.
   * @returns The result of `next`: the stored message, or an array for a batch. The array is empty if
   *   nothing was stored because another worker has sent the message of a schedule. Another value is
   *   logged, and the sender gets the stored messages.
   */
  wrapEnqueue?<T extends Message | readonly Message[]>(
    broker: Broker,
    messages: readonly Message[],
    cause: Message | undefined,
    next: () => Promise<T>,
  ): Promise<T>;
  /**
   * Before a message is stored. A delayed message has its delay queue and `eta`. To change the message, use
   * `prepareMessage`.
   */
  beforeEnqueue?(broker: Broker, message: Message, delay: number | undefined): void | Promise<void>;
  /** After a message was stored. */
  afterEnqueue?(broker: Broker, message: Message, delay: number | undefined): void | Promise<void>;
  /** Before a worker moves a due delayed message to its queue. */
  beforeDelayMessage?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /**
   * After a delayed message was moved to its queue, or that has failed. Called after each
   * `beforeDelayMessage`. Python has no such hook.
   */
  afterDelayMessage?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** Before the actor runs. If a hook calls `message.fail()`, the actor does not run. */
  beforeProcessMessage?(broker: Broker, message: MessageProxy): void | Promise<void>;
  /** After the actor has returned or failed. */
  afterProcessMessage?(
    broker: Broker,
    message: MessageProxy,
    outcome: ProcessOutcome,
  ): void | Promise<void>;
  /**
   * After a message was skipped or cancelled, or requeued unfinished. Either this or `afterProcessMessage`
   * is called after each `beforeProcessMessage`.
   *
   * @param broker The broker.
   * @param message The message.
   * @param reason The `SkipMessage` that a middleware or the actor threw; `WorkerLost` for a message that
   *   is requeued and runs again; `Cancelled` for a cancelled one.
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
