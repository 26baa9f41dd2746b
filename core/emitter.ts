import type { Middleware } from "./middleware.ts";
import type { Broker } from "./broker.ts";
import { FollowUpNotStored, MiddlewareError } from "./errors.ts";
import { errorMessage } from "../platform/thrown.ts";
import { getLogger } from "../platform/logging.ts";
import { Message } from "./message.ts";
import { sendWithin } from "./wrapped_send.ts";

/** The hooks that a broker or worker calls for what they do, not for what they give. */
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

/** All hooks; a record, so that the compiler misses one that is forgotten. */
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
 * Finds a hook.
 *
 * @param when When it is called.
 * @param signal Its name without that.
 * @returns The hook.
 * @throws {TypeError} If there is none of that name.
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
/** Error texts of V8 and JavaScriptCore for a change to something frozen, or without a setter. */
const CHANGE_REFUSED = /not extensible|read.?only|only a getter|delete property/i;

/**
 * Calls the hooks of a list of middleware, by the rules that {@linkcode Middleware}
 * states. Who has which hook is worked out once, when the list changes: most
 * hooks of most messages have nobody to call.
 */
export class Emitter {
  readonly #broker: Broker;
  readonly #subscribers: Map<HookName, readonly Subscriber[]> = new Map();
  #preparers: readonly Subscriber[] = [];
  /** Middleware with `wrapEnqueue`, the innermost first; `undefined` if there is none. */
  #wrappers: readonly Middleware[] | undefined;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** Takes over a new list of middleware, in its order. */
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

  /** @returns Whether anybody has this hook. */
  has(hook: HookName): boolean {
    return this.#subscribers.get(hook)!.length > 0;
  }

  /**
   * Passes a message through `prepareMessage` of all middleware that has it.
   *
   * @param message What is to be sent.
   * @param cause What it follows from.
   * @returns What the last of them made of it.
   * @throws {MiddlewareError} If one of them refuses the message.
   * @throws {TypeError} If one of them gives something other than a message, or a promise.
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

  /** True if any middleware has `wrapEnqueue`: call it only then. */
  get wrapsEnqueue(): boolean {
    return this.#wrappers !== undefined;
  }

  /**
   * Sends messages within `wrapEnqueue` of all middleware that has it, the first one outermost.
   *
   * @returns What was stored; a `TypeError` if one of them did not call its `next` once.
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

  /** All but the outermost, around a send. */
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

  /** A `before…` hook and `prepareMessage` pass on a `MiddlewareError`; `beforeNack`, `FollowUpNotStored` as well. */
  #throwOrLog(error: unknown, subscriber: Subscriber, hook: HookName | "prepareMessage"): void {
    if (error instanceof MiddlewareError) throw error;
    if (hook === "beforeNack" && error instanceof FollowUpNotStored) throw error;
    this.#log(error, subscriber, hook);
  }

  /** The first failure to store a follow-up goes to the caller once all others were called. */
  #note(
    error: unknown,
    unstored: FollowUpNotStored | undefined,
    subscriber: Subscriber,
    hook: HookName,
  ): FollowUpNotStored | undefined {
    // Elsewhere nobody could act on it: whatever has happened has happened.
    const isHeard = hook === "afterProcessMessage" || hook === "afterSkipMessage";
    if (isHeard && error instanceof FollowUpNotStored) return unstored ?? error;
    this.#log(error, subscriber, hook);
    return unstored;
  }

  #log(error: unknown, { middleware }: Subscriber, hook: HookName | "prepareMessage"): void {
    // Python changes messages in before_enqueue.
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
  pending?.catch(() => {}); // too late for what it would say
  const reason = pending === undefined
    ? `returned ${given instanceof Object ? given.constructor.name : String(given)}, not a message`
    : "returned a promise, and sending does not wait for it";
  return new TypeError(
    `Cannot send ${actorName}: prepareMessage of ${middleware.constructor.name} ${reason}`,
  );
}

/** A promise if the hook gave one. `() => list.push(x)` gives a number, which is nobody's business. */
function toPromise(result: unknown): Promise<unknown> | undefined {
  if (result === undefined || typeof result !== "object" || result === null) return undefined;
  if (result instanceof Promise) return result;
  return "then" in result && typeof result.then === "function"
    ? Promise.resolve(result)
    : undefined;
}
