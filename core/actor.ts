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
import { actorNameOf } from "./actor_name.ts";
import { explainSending } from "./bare_function.ts";
import type { GenericActor } from "./generic_actor.ts";
import { isGenericActorClass, toFunction } from "./generic_actor.ts";
import { getBroker } from "./global_broker.ts";
import { getLogger, type Logger } from "../platform/logging.ts";
import { Message } from "./message.ts";
import type { MessageOptions } from "./message_options.ts";
import { assertQueueName } from "./queue_names.ts";

/** Options that name an actor; on the wire they are its name. */
const CALLBACK_OPTIONS: readonly CallbackOption[] = ["onSuccess", "onFailure", "onRetryExhausted"];

/** Actors that named no broker. */
const ofDefaultBroker: WeakSet<Actor> = /* @__PURE__ */ new WeakSet();

/** Calling an actor runs its function here and now. */
export interface Actor<P extends unknown[], R> {
  (...args: P): R | Promise<R>;
}

/**
 * A function that can be run by sending a message. Made by {@linkcode actor}.
 *
 * `P` are its parameters and `R` is what it returns, awaited.
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
  /** The function itself. */
  declare readonly fn: (...args: P) => R | Promise<R>;
  /** The broker it is declared on. */
  declare readonly broker: Broker;
  /** Its name on the wire. */
  declare readonly actorName: string;
  /** The queue that its messages go to. */
  declare readonly queueName: string;
  /** Among the messages that a worker has in flight, lower goes first. */
  declare readonly priority: number;
  /** Its other options, which middleware reads. */
  declare readonly options: Readonly<Record<string, unknown>>;
  /** Writes to the category `dramatiq`, `actor`, its name. */
  declare readonly logger: Logger;

  /**
   * Does not declare the actor; {@linkcode actor} does both.
   *
   * @param fn The function.
   * @param options Its options.
   * @throws {TypeError} If it has no name, or an option is of the wrong type.
   */
  constructor(fn: (...args: P) => R | Promise<R>, options: ActorOptions = {}) {
    if (typeof fn !== "function" || isClass(fn)) {
      throw new TypeError(
        `Cannot create an actor from ${isClass(fn) ? `class ${fn.name}` : String(fn)}: ` +
          "it must be a function, or a class that extends GenericActor",
      );
    }
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
    // An actor is a function of its own with the methods of this class, so that it can be called.
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

  /** @internal True if an actor named no broker, and got that of the process. */
  static isOfDefaultBroker(actor: Actor): boolean {
    return ofDefaultBroker.has(actor);
  }

  /**
   * A message for this actor, not sent yet. Leave the last argument out when a
   * pipeline is to bring it.
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
   * As {@linkcode Actor.message}, with options of this one message.
   *
   * @param options The arguments and options; unknown names travel along.
   * @returns The message.
   * @throws {TypeError} If a callback is neither an actor nor a name.
   */
  messageWithOptions<const A extends MessageArgs<P>>(
    options: MessageWithOptions<A> & { pipeIgnore: true },
  ): Message<R>;
  /** As above, for a message that a pipeline may add an argument to. */
  messageWithOptions<const A extends MessageArgs<P>>(
    options: MessageWithOptions<A>,
  ): Message<R, PipedInput<P, A>>;
  messageWithOptions(
    { args = [], kwargs, ...options }: MessageWithOptions<readonly unknown[]>,
  ): Message<R> {
    const { queueName, actorName } = this;
    if (!Array.isArray(args)) {
      throw new TypeError(`Cannot send ${actorName}: args must be an array, not ${String(args)}`);
    }
    if (kwargs !== undefined && (typeof kwargs !== "object" || Array.isArray(kwargs))) {
      throw new TypeError(
        `Cannot send ${actorName}: kwargs must be an object, not ${String(kwargs)}`,
      );
    }
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
   *   objects of them.
   * @returns The message as it was stored, once the server has confirmed that.
   * @throws {TypeError} If an argument cannot be encoded; the text names it.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  send(...args: P): Promise<Message<R>> {
    return this.broker.enqueue<Message<R>>(this.message(...args) as unknown as Message<R>);
  }

  /**
   * As {@linkcode Actor.send}, with options of this one message.
   *
   * @param options The arguments, options, delay and signal.
   * @returns The message as it was stored.
   * @throws The same as {@linkcode Actor.send}.
   */
  async sendWithOptions(options: SendWithOptions<P> & ArgsOf<P>): Promise<Message<R>> {
    const { delay, signal, ...others } = options;
    const message = this.messageWithOptions(others as MessageWithOptions<P>);
    return await this.broker.enqueue(message as unknown as Message<R>, { delay, signal });
  }

  /**
   * Sends many messages at once, in order: much faster than one by one.
   *
   * @param calls The arguments of each.
   * @param options One delay and one signal for all.
   * @returns The messages as they were stored.
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
   * Cancels all messages of this actor that were made so far, on whatever queue, see
   * `Control.cancelAll`.
   *
   * @param options Why, and how.
   * @returns The time before which they were made, in milliseconds since the epoch.
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
 * Makes a function an actor of a class of your own and declares it.
 *
 * @param fn The function, asynchronous or not.
 * @param options The options; `actorClass` is a subclass of {@linkcode Actor}.
 * @returns The actor, an instance of that class.
 * @throws {TypeError} If the class does not extend `Actor`, or as for any actor.
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
 * @param options The options; those that no middleware of the broker knows are refused.
 * @returns The actor, callable like the function.
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
 * Makes a class-based actor an actor and declares it.
 *
 * @param actorClass A concrete subclass of `GenericActor`; its `meta` are the options.
 * @param options Options that win over those.
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

/** Classes can only be called with `new`. */
function isClass(value: unknown): boolean {
  if (typeof value !== "function") return false;
  return Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

function namesOfActors<T extends Record<string, unknown>>(options: T, owner: string): T {
  const named: Record<string, unknown> = { ...options };
  for (const name of CALLBACK_OPTIONS) {
    const value = options[name];
    if (value === undefined || value === null || typeof value === "string") continue;
    if (!(value instanceof Actor)) {
      throw new TypeError(
        `Cannot set ${name} of ${owner}: it must be an actor or the name of one, not ${
          String(value)
        }`,
      );
    }
    named[name] = value.actorName;
  }
  return named as T;
}
