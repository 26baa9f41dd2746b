import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import { monotonicTime, type Timer } from "../../platform/clock.ts";
import { leaveMessage, runWithMessage } from "../../core/context.ts";
import { failureOf } from "../../core/failure.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { about, getLogger } from "../../platform/logging.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import type { Middleware } from "../../core/middleware.ts";
import type { Executor, Run } from "./executor.ts";

const log = /* @__PURE__ */ getLogger("worker", "inline");

/** Options for {@linkcode InlineExecutor}. */
export interface InlineExecutorOptions {
  /** Number of messages it runs at once, at most. @default {8} */
  concurrency?: number;
}

const KNOWN_OPTIONS: KnownOptions<InlineExecutorOptions> = {
  concurrency: true,
};

/** Calls an actor, inside the middleware that wraps it. */
type Call = (message: MessageProxy, actor: Actor) => unknown;
type AsyncCall = (message: MessageProxy, actor: Actor) => Promise<unknown>;

/**
 * Runs actors on the event loop of the worker: it has the least overhead, and suits actors that wait
 * rather than compute.
 *
 * It cannot stop an actor that ignores its signal. One that runs past its grace period is abandoned,
 * which is logged, and continues in the background; one that blocks the event loop blocks the worker.
 *
 * @example What a worker uses unless told otherwise
 * ```ts
 * import { InlineExecutor, StubBroker, Worker } from "@dq/dramatiq";
 *
 * const executor = new InlineExecutor({ concurrency: 16 });
 * const worker = new Worker(new StubBroker(), { executor }); // the same as { concurrency: 16 }
 * ```
 */
export class InlineExecutor implements Executor {
  #concurrency: number;
  #broker: Broker | undefined;
  /** The list of middleware that `#call` was made from. */
  #middleware: readonly Middleware[] = [];
  #call: Call = callActor;
  /** Interrupted runs, and when their grace periods end. */
  readonly #graces: Map<Run, { readonly timer: Timer; readonly endsAt: number }> = new Map();

  /**
   * Sets the concurrency.
   *
   * @param options The concurrency.
   * @throws {RangeError} If it is not a whole number above 0.
   */
  constructor(options: InlineExecutorOptions = {}) {
    assertKnownOptions("InlineExecutor", options, KNOWN_OPTIONS);
    const { concurrency = 8 } = options;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw new RangeError(
        `Cannot run ${concurrency} messages at once: it must be a whole number above 0`,
      );
    }
    this.#concurrency = concurrency;
  }

  /** Number of messages it runs at once, at most. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Changes how many messages it runs at once. */
  resize(concurrency: number): void {
    this.#concurrency = concurrency;
  }

  /** Calls `afterWorkerThreadBoot`. */
  start(broker: Broker): void | Promise<void> {
    this.#broker = broker;
    return broker.emit("afterWorkerThreadBoot", this);
  }

  /** Runs the actor on this event loop. */
  run(run: Run): void {
    const { message, actor } = run;
    message.actor = actor;
    let result: unknown;
    try {
      result = runWithMessage(message, this.#currentCall(), actor);
      if (isPromise(result)) return this.#await(run, result);
    } catch (error) {
      return fail(run, error);
    }
    leaveMessage(message);
    run.succeed(result);
  }

  #await(run: Run, result: PromiseLike<unknown>): void {
    result.then((value) => {
      leaveMessage(run.message);
      this.#endGrace(run);
      run.succeed(value);
    }, (error) => {
      leaveMessage(run.message);
      this.#endGrace(run);
      fail(run, error);
    });
  }

  /** Abandons the actor when the grace period is over. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    const { clock } = this.#broker!;
    const endsAt = monotonicTime(clock) + grace;
    if (endsAt >= (this.#graces.get(run)?.endsAt ?? Infinity)) return;
    this.#endGrace(run);
    if (grace === 0) return giveUp(run, reason);
    const timer = clock.setTimer(() => {
      this.#graces.delete(run);
      giveUp(run, reason);
    }, grace);
    this.#graces.set(run, { timer, endsAt });
  }

  /** Calls `beforeWorkerThreadShutdown`. */
  stop(): void | Promise<void> {
    return this.#broker?.emit("beforeWorkerThreadShutdown", this);
  }

  #endGrace(run: Run): void {
    if (this.#graces.size === 0) return;
    const grace = this.#graces.get(run);
    if (grace === undefined) return;
    this.#graces.delete(run);
    this.#broker!.clock.clearTimer(grace.timer);
  }

  #currentCall(): Call {
    const { middleware } = this.#broker!;
    if (this.#middleware !== middleware) {
      this.#middleware = middleware;
      this.#call = wrap(middleware.filter((one) => one.wrapActor !== undefined));
    }
    return this.#call;
  }
}

/** Only the realm of the actor knows whether the error or the interrupt came first. */
function fail(run: Run, error: unknown): void {
  run.fail(failureOf(error, run.message.interruptReason));
}

function giveUp(run: Run, reason: Interrupt): void {
  log.error(
    "Abandoned message {messageId} of {actor}, which does not stop: {reason}",
    about(run.message, reason),
  );
  run.fail(reason);
}

/** Calls the function of an actor with the arguments of the message. */
function callActor(message: MessageProxy, actor: Actor): unknown {
  const { args, kwargs } = message;
  // Keyword arguments come from Python only; they are passed as one object, the last argument.
  for (const _name in kwargs) return actor.fn(...args, kwargs);
  return actor.fn(...args);
}

/** Wraps the call in middleware, once for all messages: once per message would be expensive. */
function wrap(wrappers: readonly Middleware[]): Call {
  if (wrappers.length === 0) return callActor;
  return wrappers.reduceRight<AsyncCall>(
    (inner, one) => (message, actor) => one.wrapActor!(message, () => inner(message, actor)),
    callActorAsync,
  );
}

/** As `callActor`, but returns a promise, which also rejects if the actor throws synchronously. */
function callActorAsync(message: MessageProxy, actor: Actor): Promise<unknown> {
  try {
    return Promise.resolve(callActor(message, actor));
  } catch (error) {
    return Promise.reject(error);
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
