import type { Middleware } from "./middleware.ts";
import type { Broker } from "./broker.ts";
import { FollowUpNotStored, MiddlewareError } from "./errors.ts";
import { errorMessage, toThrown } from "../platform/thrown.ts";
import { getLogger } from "../platform/logging.ts";
import { Message } from "./message.ts";
import { sendWithin } from "./wrapped_send.ts";

/** Hooks whose return value is ignored. */
export type HookName = Exclude<
  keyof Middleware,
  | "actorOptions"
  | "forks"
  | "resultBackend"
  | "wrapActor"
  | "wrapEnqueue"
  | "beginGroup"
  | "checkActorOptions"
  | "prepareMessage"
>;

/** These hooks. A record, so that a missing one does not compile. */
export const HOOKS: Record<HookName, true> = {
  beforeAck: true,
  afterAck: true,
  beforeNack: true,
  afterNack: true,
  afterUndecodable: true,
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

/** Arguments of a hook after the broker. */
export type HookArguments<H extends HookName> = Parameters<NonNullable<Middleware[H]>> extends
  [Broker, ...infer Rest] ? Rest : never;

/** Signal of a hook for `emitBefore` and `emitAfter`: its name without `before` or `after`. */
export type SignalOf<When extends "before" | "after"> = HookName extends infer H
  ? H extends `${When}${infer Signal}` ? Uncapitalize<Signal> : never
  : never;

/** The hook of a {@linkcode SignalOf}. */
export type HookOf<When extends "before" | "after", S extends string> =
  & `${When}${Capitalize<S>}`
  & HookName;

/**
 * Finds a hook by its signal.
 *
 * @param when Prefix of its name.
 * @param signal Its name without the prefix.
 * @returns The hook.
 * @throws {TypeError} If there is no such hook.
 */
export function hookOf(when: "before" | "after", signal: string): HookName {
  const hook = `${when}${signal.charAt(0).toUpperCase()}${signal.slice(1)}`;
  if (Object.hasOwn(HOOKS, hook)) return hook as HookName;
  const known = Object.keys(HOOKS).filter((name) => name.startsWith(when));
  throw new TypeError(`Cannot call hook ${hook}: the hooks are ${known.join(", ")}`);
}

interface Subscriber {
  readonly middleware: Middleware;
  call(broker: Broker, first?: unknown, second?: unknown): unknown;
}

const log = /* @__PURE__ */ getLogger("middleware");
/** Error texts of V8 and JavaScriptCore for changing a frozen object, or a property without a setter. */
const CHANGE_REFUSED = /not extensible|read.?only|only a getter|delete property/i;

/**
 * Calls the hooks of a list of middleware, by the rules of {@linkcode Middleware}. Subscribers of each
 * hook are collected once, when the list changes, since most hooks have none.
 */
export class Emitter {
  readonly #broker: Broker;
  readonly #subscribers: Map<HookName, readonly Subscriber[]> = new Map();
  #preparers: readonly Subscriber[] = [];
  /** Middleware with `wrapEnqueue`, innermost first; `undefined` if there is none. */
  #wrappers: readonly Middleware[] | undefined;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Sets the list of middleware. */
  update(middleware: readonly Middleware[]): void {
    for (const hook of Object.keys(HOOKS) as HookName[]) {
      const subscribers = subscribersOf(middleware, hook);
      if (hook.startsWith("after")) subscribers.reverse();
      this.#subscribers.set(hook, subscribers);
    }
    this.#preparers = subscribersOf(middleware, "prepareMessage");
    const wrappers = middleware.filter((one) => one.wrapEnqueue !== undefined).toReversed();
    this.#wrappers = wrappers.length > 0 ? wrappers : undefined;
  }

  /** @returns Whether any middleware has this hook. */
  has(hook: HookName): boolean {
    return this.#subscribers.get(hook)!.length > 0;
  }

  /**
   * Passes a message through the `prepareMessage` hooks.
   *
   * @param message The message to send.
   * @param cause The message that caused it, if any.
   * @returns The message that the last hook returned.
   * @throws {MiddlewareError} If a hook refuses the message.
   * @throws {TypeError} If a hook returns something else than a message, such as a promise.
   */
  prepare<M extends Message>(message: M, cause: Message | undefined): M {
    let prepared = message;
    for (const subscriber of this.#preparers) {
      let given: unknown;
      try {
        given = subscriber.call(this.#broker, prepared, cause);
      } catch (error) {
        this.#throwOrLog(error, subscriber, "prepareMessage");
        continue;
      }
      if (given === undefined) continue;
      if (!(given instanceof Message)) throw notAMessage(given, prepared, subscriber);
      prepared = given as M;
    }
    return prepared;
  }

  /** True if any middleware has `wrapEnqueue`. Call {@linkcode Emitter.wrapEnqueue} only then. */
  get wrapsEnqueue(): boolean {
    return this.#wrappers !== undefined;
  }

  /**
   * Sends messages inside the `wrapEnqueue` hooks, of which the first one is outermost.
   *
   * @returns The stored messages. Rejects with a `TypeError` if a hook does not call `next` once.
   */
  wrapEnqueue<T extends Message | readonly Message[]>(
    messages: readonly Message[],
    cause: Message | undefined,
    send: () => Promise<T>,
  ): Promise<T> {
    const wrappers = this.#wrappers!;
    const outermost = wrappers.length - 1;
    const next = outermost === 0 ? send : this.#wrap(wrappers, messages, cause, send);
    return sendWithin(wrappers[outermost]!, this.#broker, messages, cause, next);
  }

  /** Wraps a send in all hooks but the outermost. */
  #wrap<T extends Message | readonly Message[]>(
    wrappers: readonly Middleware[],
    messages: readonly Message[],
    cause: Message | undefined,
    send: () => Promise<T>,
  ): () => Promise<T> {
    return wrappers.slice(0, -1).reduce(
      (next, one) => () => sendWithin(one, this.#broker, messages, cause, next),
      send,
    );
  }

  /**
   * Calls the hooks of a declaration, which must be synchronous.
   *
   * @throws {TypeError} If one of them returns a promise.
   */
  emitNow(hook: HookName, subject: unknown): void {
    const pending = this.emit(hook, subject);
    if (pending === undefined) return;
    pending.catch(() => {}); // the error below is reported instead
    throw new TypeError(
      `Cannot wait for hook ${hook}: declaring is synchronous, and so are its hooks`,
    );
  }

  /** @returns A promise if a hook is asynchronous. */
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
    unstored: FollowUpNotStored | undefined,
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

  /** `before…` hooks and `prepareMessage` may throw `MiddlewareError`; `beforeNack` also `FollowUpNotStored`. */
  #throwOrLog(thrown: unknown, subscriber: Subscriber, hook: HookName | "prepareMessage"): void {
    const error = toThrown(thrown, hook);
    if (error instanceof MiddlewareError) throw error;
    if (hook === "beforeNack" && error instanceof FollowUpNotStored) throw error;
    this.#log(error, subscriber, hook);
  }

  /** The first `FollowUpNotStored` is thrown after all hooks were called; other errors are logged. */
  #note(
    thrown: unknown,
    unstored: FollowUpNotStored | undefined,
    subscriber: Subscriber,
    hook: HookName,
  ): FollowUpNotStored | undefined {
    const error = toThrown(thrown, hook);
    // After other hooks it is too late to requeue the message.
    const isThrown = hook === "afterProcessMessage" || hook === "afterSkipMessage";
    if (isThrown && error instanceof FollowUpNotStored) return unstored ?? error;
    this.#log(error, subscriber, hook);
    return unstored;
  }

  #log(error: unknown, { middleware }: Subscriber, hook: HookName | "prepareMessage"): void {
    // As users of Python's before_enqueue would try.
    const isChange = (hook === "beforeEnqueue" || hook === "prepareMessage") &&
      error instanceof TypeError && CHANGE_REFUSED.test(errorMessage(error));
    const advice = isChange ? "; to change a message, return a copy from prepareMessage" : "";
    log.error(`{middleware} failed in {hook}, which is ignored${advice}: {reason}`, {
      middleware: middleware.constructor.name,
      hook,
      reason: errorMessage(error),
      error,
    });
  }
}

function subscribersOf(
  middleware: readonly Middleware[],
  hook: HookName | "prepareMessage",
): Subscriber[] {
  return middleware.filter((one) => one[hook] !== undefined).map((one) => ({
    middleware: one,
    call: (one[hook] as Subscriber["call"]).bind(one),
  }));
}

function notAMessage(
  given: unknown,
  { actorName }: Message,
  { middleware }: Subscriber,
): TypeError {
  const pending = toPromise(given);
  pending?.catch(() => {}); // the error below is reported instead
  const reason = pending === undefined
    ? `returned ${given instanceof Object ? given.constructor.name : String(given)}, not a message`
    : "returned a promise, and sending does not wait for it";
  return new TypeError(
    `Cannot send ${actorName}: prepareMessage of ${middleware.constructor.name} ${reason}`,
  );
}

/** A promise if the hook returned one. Other values, as of `() => list.push(x)`, are ignored. */
function toPromise(result: unknown): Promise<unknown> | undefined {
  if (result === undefined || typeof result !== "object" || result === null) return undefined;
  if (result instanceof Promise) return result;
  return "then" in result && typeof result.then === "function"
    ? Promise.resolve(result)
    : undefined;
}
