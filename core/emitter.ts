import type { Middleware } from "../middleware/middleware.ts";
import type { Broker } from "./broker.ts";
import { MiddlewareError, SuccessorNotStored } from "./errors.ts";
import { errorMessage } from "./thrown.ts";
import { getLogger } from "./logging.ts";

/** The hooks that a broker or worker calls. */
export type HookName = Exclude<
  keyof Middleware,
  "actorOptions" | "forks" | "resultBackend" | "wrapActor" | "beginGroup" | "checkActorOptions"
>;

/** All hooks; a record, so that the compiler misses one that is forgotten. */
const HOOKS: Record<HookName, true> = {
  beforeAck: true,
  afterAck: true,
  beforeNack: true,
  afterNack: true,
  beforeDeclareActor: true,
  afterDeclareActor: true,
  beforeDeclareQueue: true,
  afterDeclareQueue: true,
  afterDeclareDelayQueue: true,
  beforeEnqueue: true,
  afterEnqueue: true,
  beforeDelayMessage: true,
  afterDelayMessage: true,
  beforeProcessMessage: true,
  afterProcessMessage: true,
  afterSkipMessage: true,
  afterProcessBoot: true,
  beforeWorkerBoot: true,
  afterWorkerBoot: true,
  beforeWorkerShutdown: true,
  afterWorkerShutdown: true,
  afterConsumerThreadBoot: true,
  beforeConsumerThreadShutdown: true,
  afterWorkerThreadBoot: true,
  beforeWorkerThreadShutdown: true,
};

/** What a hook gets after the broker. */
export type HookArguments<H extends HookName> = Parameters<NonNullable<Middleware[H]>> extends
  [Broker, ...infer Rest] ? Rest : never;

interface Subscriber {
  readonly middleware: Middleware;
  call(broker: Broker, first?: unknown, second?: unknown): unknown;
}

const log = getLogger("middleware");

/**
 * Calls the hooks of a list of middleware, by the rules that {@linkcode Middleware}
 * states. Who has which hook is worked out once, when the list changes: most
 * hooks of most messages have nobody to call.
 */
export class Emitter {
  readonly #broker: Broker;
  readonly #subscribers: Map<HookName, readonly Subscriber[]> = new Map();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Takes over a new list of middleware, in its order. */
  update(middleware: readonly Middleware[]): void {
    for (const hook of Object.keys(HOOKS) as HookName[]) {
      const subscribers = middleware.filter((one) => one[hook] !== undefined).map((one) => ({
        middleware: one,
        call: (one[hook] as Subscriber["call"]).bind(one),
      }));
      if (hook.startsWith("after")) subscribers.reverse();
      this.#subscribers.set(hook, subscribers);
    }
  }

  /** @returns Whether anybody has this hook. */
  has(hook: HookName): boolean {
    return this.#subscribers.get(hook)!.length > 0;
  }

  /**
   * Calls the hooks of declaring, which are synchronous as declaring is.
   *
   * @throws {TypeError} If one of them is not.
   */
  emitNow(hook: HookName, subject: unknown): void {
    const pending = this.emit(hook, subject);
    if (pending === undefined) return;
    pending.catch(() => {}); // it is too late for what it would say
    throw new TypeError(
      `Cannot wait for hook ${hook}: declaring is synchronous, and so are its hooks`,
    );
  }

  /** @returns A promise if one of the hooks is asynchronous, else nothing. */
  emit(hook: HookName, first?: unknown, second?: unknown): void | Promise<void> {
    const subscribers = this.#subscribers.get(hook)!;
    return hook[0] === "b" // before…
      ? this.#before(subscribers, 0, hook, first, second)
      : this.#after(subscribers, 0, undefined, hook, first, second);
  }

  #before(
    subscribers: readonly Subscriber[],
    from: number,
    hook: HookName,
    first: unknown,
    second: unknown,
  ): void | Promise<void> {
    for (let i = from; i < subscribers.length; i++) {
      const subscriber = subscribers[i]!;
      try {
        const pending = toPromise(subscriber.call(this.#broker, first, second));
        if (pending === undefined) continue;
        return pending.catch((error) => this.#throwOrLog(error, subscriber, hook))
          .then(() => this.#before(subscribers, i + 1, hook, first, second));
      } catch (error) {
        this.#throwOrLog(error, subscriber, hook);
      }
    }
  }

  #after(
    subscribers: readonly Subscriber[],
    from: number,
    unstored: SuccessorNotStored | undefined,
    hook: HookName,
    first: unknown,
    second: unknown,
  ): void | Promise<void> {
    for (let i = from; i < subscribers.length; i++) {
      const subscriber = subscribers[i]!;
      try {
        const pending = toPromise(subscriber.call(this.#broker, first, second));
        if (pending === undefined) continue;
        return pending.then(
          () => unstored,
          (error) => this.#note(error, unstored, subscriber, hook),
        ).then((noted) => this.#after(subscribers, i + 1, noted, hook, first, second));
      } catch (error) {
        unstored = this.#note(error, unstored, subscriber, hook);
      }
    }
    if (unstored !== undefined) throw unstored;
  }

  /** A `before…` hook passes on a `MiddlewareError`; `beforeNack`, `SuccessorNotStored` as well. */
  #throwOrLog(error: unknown, subscriber: Subscriber, hook: HookName): void {
    if (error instanceof MiddlewareError) throw error;
    if (hook === "beforeNack" && error instanceof SuccessorNotStored) throw error;
    this.#log(error, subscriber, hook);
  }

  /** The first failure to store a successor goes to the caller once all others were called. */
  #note(
    error: unknown,
    unstored: SuccessorNotStored | undefined,
    subscriber: Subscriber,
    hook: HookName,
  ): SuccessorNotStored | undefined {
    // Elsewhere nobody could act on it: whatever has happened has happened.
    const isHeard = hook === "afterProcessMessage" || hook === "afterSkipMessage";
    if (isHeard && error instanceof SuccessorNotStored) return unstored ?? error;
    this.#log(error, subscriber, hook);
    return unstored;
  }

  #log(error: unknown, { middleware }: Subscriber, hook: HookName): void {
    log.error("{middleware} failed in {hook}, which is ignored: {reason}", {
      middleware: middleware.constructor.name,
      hook,
      reason: errorMessage(error),
      error,
    });
  }
}

/** A promise if the hook gave one. `() => list.push(x)` gives a number, which is nobody's business. */
function toPromise(result: unknown): Promise<unknown> | undefined {
  if (result === undefined || typeof result !== "object" || result === null) return undefined;
  if (result instanceof Promise) return result;
  return "then" in result && typeof result.then === "function"
    ? Promise.resolve(result)
    : undefined;
}
