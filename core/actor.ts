import type { Broker } from "./broker.ts";
import { cancelMatching, type CancelOptions } from "./cancellation.ts";
import type {
  ActorFunction,
  ActorOptions,
  ArgsOf,
  CallbackOption,
  MessageArgs,
  MessageWithOptions,
  PipedInput,
  SendWithOptions,
} from "./actor_options.ts";
import type { Duration } from "../platform/duration.ts";
import { assertActorFunction, assertMessageOptions } from "./actor_checks.ts";
import { actorNameOf } from "./actor_name.ts";
import { explainSending } from "./bare_function.ts";
import type { GenericActor } from "./generic_actor.ts";
import { isGenericActorClass, toFunction } from "./generic_actor.ts";
import { getBroker } from "./global_broker.ts";
import { assertOptions } from "./known_options.ts";
import { getLogger, type Logger } from "../platform/logging.ts";
import { Message } from "./message.ts";
import type { MessageOptions } from "./message_options.ts";
import { showOther } from "./other_copy.ts";
import { assertQueueName } from "./queue_names.ts";

/** Options whose value is an actor; on the wire it is the name of the actor. */
const CALLBACK_OPTIONS: readonly CallbackOption[] = ["onSuccess", "onFailure", "onRetryExhausted"];

/** Actors without the option `broker`. */
const ofDefaultBroker: WeakSet<Actor> = /* @__PURE__ */ new WeakSet();

/** Calling an actor runs its function here, now and without a message. */
export interface Actor<P extends unknown[], R> {
  (...args: P): R | Promise<R>;
}

/**
 * A function that workers run for messages. Made by {@linkcode actor}.
 *
 * `P` are the parameters of the function, and `R` is the awaited type of its result.
 *
 * @example Send a message, or call the function
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * const add = actor((a: number, b: number) => a + b, { actorName: "add" });
 * await add.send(1, 2);
 * console.log(await add(1, 2)); // 3
 * ```
 */
// deno-lint-ignore no-explicit-any -- the default stands for "any actor"
export class Actor<P extends unknown[] = any[], R = unknown> {
  /** The function. */
  declare readonly fn: (...args: P) => R | Promise<R>;
  /** The broker that it is declared on. */
  declare readonly broker: Broker;
  /** Name of the actor in messages. */
  declare readonly actorName: string;
  /** Queue of its messages. */
  declare readonly queueName: string;
  /** Priority among the messages that a worker has in flight: lower numbers run first. */
  declare readonly priority: number;
  /** All other options, for middleware. */
  declare readonly options: Readonly<Record<string, unknown>>;
  /** Logger of the category `dramatiq`, `actor`, and the name of the actor. */
  declare readonly logger: Logger;

  /**
   * Makes an actor without declaring it; {@linkcode actor} does both.
   *
   * @param fn The function.
   * @param options The options.
   * @throws {TypeError} If the actor has no name, or an option is of the wrong type.
   */
  constructor(fn: (...args: P) => R | Promise<R>, options: ActorOptions = {}) {
    assertActorFunction(fn);
    if (options !== null) assertOptions("create an actor", options);
    const { actorName = actorNameOf(fn), queueName = "default", priority = 0, broker, ...others } =
      options ?? {};
    if (typeof actorName !== "string" || actorName === "") {
      throw new TypeError(
        "Cannot create an actor from an anonymous function: name it, or set actorName",
      );
    }
    assertQueueName(queueName);
    if (typeof priority !== "number" || Number.isNaN(priority)) {
      throw new TypeError(
        `Cannot create actor "${actorName}": its priority must be a number, not ${
          String(priority)
        }`,
      );
    }
    if (broker !== undefined && typeof broker.declareActor !== "function") {
      throw new TypeError(`Cannot create actor "${actorName}": its broker is ${String(broker)}`);
    }
    // Actors can be called: each is a function whose prototype is that of this class.
    const self = (...args: P) => fn(...args);
    explainSending(fn);
    Object.setPrototypeOf(self, new.target.prototype);
    Object.defineProperty(self, "name", { value: actorName });
    if (broker === undefined) ofDefaultBroker.add(self as unknown as Actor);
    return Object.assign(self as unknown as this, {
      fn,
      broker: broker ?? getBroker(),
      actorName,
      queueName,
      priority,
      options: namesOfActors(others, `actor "${actorName}"`),
      logger: getLogger("actor", actorName),
    });
  }

  /** @internal True if an actor has the broker of `getBroker()` because its options name none. */
  static isOfDefaultBroker(actor: Actor): boolean {
    return ofDefaultBroker.has(actor);
  }

  /**
   * Makes a message without sending it. Omit the last argument if a pipeline will add it.
   *
   * @param args The arguments.
   * @returns The message.
   */
  message<const A extends MessageArgs<P>>(...args: A): Message<R, PipedInput<P, A>> {
    const { queueName, actorName } = this;
    const messageTimestamp = this.broker.clock.now();
    const message = new Message<R, PipedInput<P, A>>({
      queueName,
      actorName,
      args,
      messageTimestamp,
    });
    Message.madeBy(this, message);
    return message;
  }

  /**
   * As {@linkcode Actor.message}, with options of the message.
   *
   * @param options The arguments and options; options with unknown names are kept.
   * @returns The message.
   * @throws {TypeError} If a callback is neither an actor nor a name, an option is one of actors, or the
   *   options are no object, such as the arguments in their place.
   */
  messageWithOptions<const A extends MessageArgs<P>>(
    options: MessageWithOptions<A> & { pipeIgnore: true },
  ): Message<R>;
  /** As above, for a message to which a pipeline may add an argument. */
  messageWithOptions<const A extends MessageArgs<P>>(
    options: MessageWithOptions<A>,
  ): Message<R, PipedInput<P, A>>;
  messageWithOptions(given: MessageWithOptions<readonly unknown[]>): Message<R> {
    assertOptions("make a message", given);
    const { args = [], kwargs, ...options } = given;
    const { queueName, actorName } = this;
    if (!Array.isArray(args)) {
      throw new TypeError(`Cannot send ${actorName}: args must be an array, not ${String(args)}`);
    }
    if (kwargs !== undefined && (typeof kwargs !== "object" || Array.isArray(kwargs))) {
      throw new TypeError(
        `Cannot send ${actorName}: kwargs must be an object, not ${String(kwargs)}`,
      );
    }
    assertMessageOptions(options, actorName);
    const named = namesOfActors(options, `a message for actor "${actorName}"`) as MessageOptions;
    const messageTimestamp = this.broker.clock.now();
    const fields = { queueName, actorName, args, options: named, messageTimestamp };
    const message = new Message<R>(kwargs ? { ...fields, kwargs } : fields);
    Message.madeBy(this, message);
    return message;
  }

  /**
   * Sends a message: the actor runs on a worker.
   *
   * @param args The arguments: `null`, booleans, numbers, strings, and arrays and plain
   *   objects of these.
   * @returns The stored message, once the server has confirmed it.
   * @throws {TypeError} If an argument cannot be encoded; the error text names it.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  send(...args: P): Promise<Message<R>> {
    return this.broker.enqueue<Message<R>>(this.message(...args) as unknown as Message<R>);
  }

  /**
   * As {@linkcode Actor.send}, with options of the message.
   *
   * @param options The arguments, options, delay and signal.
   * @returns The stored message, once the server has confirmed it.
   * @throws The same as {@linkcode Actor.send}.
   */
  async sendWithOptions(options: SendWithOptions<P> & ArgsOf<P>): Promise<Message<R>> {
    assertOptions("send", options);
    const { delay, signal, ...others } = options;
    const message = this.messageWithOptions(others as MessageWithOptions<P>);
    return await this.broker.enqueue(message as unknown as Message<R>, { delay, signal });
  }

  /**
   * Sends many messages in order, much faster than one by one.
   *
   * @param calls The arguments of each message.
   * @param options A delay and a signal for all messages.
   * @returns The stored messages, once the server has confirmed them.
   * @throws The same as {@linkcode Actor.send}.
   */
  sendMany(
    calls: Iterable<P>,
    options: { delay?: Duration; signal?: AbortSignal } = {},
  ): Promise<Message<R>[]> {
    const messages = Array.from(calls, (args) => this.message(...args) as unknown as Message<R>);
    return this.broker.enqueueMany(messages, options);
  }

  /**
   * Cancels all messages of this actor that were made so far, on all queues, see `Control.cancelAll`.
   *
   * @param options The reason, the grace period and more.
   * @returns The present time, in milliseconds since the epoch: later messages are not cancelled.
   * @throws {TypeError} If the broker has no control store.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancelAll(options: CancelOptions = {}): Promise<number> {
    return await cancelMatching(this.broker, { actor: this.actorName }, options);
  }

  /** For people to read: `Actor(add)`. */
  toString(): string {
    return `Actor(${this.actorName})`;
  }
}

// `call`, `apply` and `bind` work on an actor as on any function.
Object.setPrototypeOf(Actor.prototype, Function.prototype);

/**
 * Makes an actor of your own subclass of {@linkcode Actor} and declares it.
 *
 * @param fn The function, asynchronous or not.
 * @param options The options; `actorClass` is the subclass.
 * @returns The actor, an instance of that class.
 * @throws {TypeError} If the class does not extend `Actor`, or for the reasons below.
 */
// deno-lint-ignore no-explicit-any -- with `unknown`, a parameter with a default is unknown, too
export function actor<P extends any[], R, A extends Actor<P, Awaited<R>>>(
  fn: (...args: P) => R,
  options: ActorOptions & {
    actorClass: new (fn: (...args: P) => R, options?: ActorOptions) => A;
  },
): A;
/**
 * Makes a function an actor and declares it on its broker.
 *
 * @param fn The function, asynchronous or not.
 * @param options The options. Each must be known to a middleware of the broker.
 * @returns The actor, which can be called like the function.
 * @throws {TypeError} If it has no name, its name is taken or an option is unknown.
 *
 * @example Send an e-mail later
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * export const greet = actor(async function greet(name: string) {
 *   await Promise.resolve(`Hello, ${name}`);
 * }, { maxRetries: 3 });
 *
 * await greet.send("Ada");
 * await greet.sendWithOptions({ args: ["Grace"], delay: { minutes: 5 } });
 * ```
 */
// deno-lint-ignore no-explicit-any -- with `unknown`, a parameter with a default is unknown, too
export function actor<P extends any[], R>(
  fn: (...args: P) => R,
  options?: ActorOptions,
): Actor<P, Awaited<R>>;
/**
 * Makes an actor from a class and declares it.
 *
 * @param actorClass A concrete subclass of `GenericActor`; its `meta` are the options.
 * @param options Options that override those of `meta`.
 * @returns The actor.
 * @throws {TypeError} If the class is abstract.
 */
export function actor<T extends GenericActor>(
  actorClass: new () => T,
  options?: ActorOptions,
): Actor<Parameters<T["perform"]>, Awaited<ReturnType<T["perform"]>>>;
export function actor(
  fn: ActorFunction | (new () => GenericActor),
  options: ActorOptions = {},
): Actor {
  if (options !== null) assertOptions("create an actor", options);
  const [called, { actorClass = Actor, ...others }] = isGenericActorClass(fn)
    ? toFunction(fn, options)
    : [fn as ActorFunction, options ?? {}];
  if (actorClass !== Actor && !(actorClass.prototype instanceof Actor)) {
    throw new TypeError(
      `Cannot create an actor from class ${String(actorClass.name)}: it does not extend Actor`,
    );
  }
  const made = new actorClass(called, others);
  made.broker.declareActor(made);
  return made;
}

function namesOfActors<T extends Record<string, unknown>>(options: T, owner: string): T {
  const named: Record<string, unknown> = { ...options };
  for (const name of CALLBACK_OPTIONS) {
    const value = options[name];
    if (value === undefined || value === null || typeof value === "string") continue;
    if (!(value instanceof Actor)) {
      throw new TypeError(
        `Cannot set ${name} of ${owner}: it must be an actor or the name of one, not ` +
          showOther(value, "Actor"),
      );
    }
    named[name] = value.actorName;
  }
  return named as T;
}
