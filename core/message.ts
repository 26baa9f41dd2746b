import type { Actor } from "./actor.ts";
import type { Broker } from "./broker.ts";
import { cancelMessages, type CancelOptions, cancelTargetOf } from "./cancellation.ts";
import { getBroker } from "./global_broker.ts";
import { type Encoded, getEncoder } from "../encoders/encoder.ts";
import { errorMessage } from "../platform/thrown.ts";
import { type Kwargs, type MessageDict, toMessageDict } from "./message_dict.ts";
import { mergeOptions, type MessageChanges, type MessageFields } from "./message_fields.ts";
import {
  fromWireOptions,
  hasNone,
  type MessageOptions,
  NO_OPTIONS,
  soleNameOf,
  toWireName,
  toWireOptions,
  type WireOptions,
} from "./message_options.ts";
import { type Pipeline, pipeline } from "./pipeline.ts";
import type { GetResultOptions } from "./result_source.ts";
import { randomUuid } from "../platform/runtime.ts";
import { showCall } from "./show_call.ts";

/** Messages that were not sent: few, so that no message has a field for it. */
const duplicates: WeakSet<Message> = /* @__PURE__ */ new WeakSet();
const NO_KWARGS: Kwargs = /* @__PURE__ */ Object.freeze({});

/** The part of a message that is there for types only. */
export interface Message<R, I> {
  /** Argument that a pipeline may add; a method, so that any message fits `Message`. */
  "~pipes"?(value: I): R;
}

/**
 * One call of an actor, on its way to a worker. Immutable.
 *
 * `R` is what the actor returns; `I` is what a pipeline may add to the arguments.
 *
 * @example A message as Python reads it
 * ```ts
 * import { Message } from "@dq/dramatiq";
 *
 * console.log(new Message({ queueName: "default", actorName: "add", args: [1, 2] }).asDict());
 * ```
 */
export class Message<R = unknown, I = unknown> {
  /** The queue it is on; a delayed message's ends in `.DQ`. */
  readonly queueName: string;
  /** The actor that it is for. */
  readonly actorName: string;
  /** Positional arguments. */
  readonly args: readonly unknown[];
  /** Keyword arguments, which only Python callers have. */
  readonly kwargs: Kwargs;
  /** Stays the same through retries and delays. */
  readonly messageId: string;
  /** Milliseconds since the epoch at which the message was made. */
  readonly messageTimestamp: number;
  #wireOptions: WireOptions;
  /** Name on the wire of its only option, if it is known to have one. */
  #soleOption: string | undefined;
  #options: MessageOptions | undefined;
  /** Encoded form that it was decoded from, until it is copied. */
  #encoded: Encoded | undefined;
  /** The broker that sent it; before that, the actor that made it, whose broker a test may replace. */
  #origin: Broker | Actor | undefined;

  /**
   * Makes a message; `actor.message()` is the usual way.
   *
   * @param fields What the message is made of.
   */
  constructor(fields: MessageFields) {
    this.queueName = fields.queueName;
    this.actorName = fields.actorName;
    this.args = fields.args;
    this.kwargs = fields.kwargs ?? NO_KWARGS;
    this.messageId = fields.messageId ?? randomUuid();
    this.messageTimestamp = fields.messageTimestamp ?? Date.now();
    this.#wireOptions = toWireOptions(fields.options);
  }

  /**
   * Reads a message with the encoder of this process.
   *
   * @param data What {@linkcode Message.encode} made, here or in Python.
   * @returns The message. A missing id or timestamp is filled in.
   * @throws {DecodeError} If the data is not a message.
   */
  static decode(data: Encoded): Message {
    const message = fromWire(getEncoder().decode(data), data);
    message.#encoded = data;
    return message;
  }

  /**
   * Reads a message that is a part of another one.
   *
   * @param dict A message in wire form, for example a `pipeTarget`.
   * @returns The message.
   * @throws {DecodeError} If it is not a message.
   */
  static fromDict(dict: unknown): Message {
    return fromWire(dict, "");
  }

  /** @internal Makes a message of checked fields and options as they travel. */
  static ofWire(fields: MessageFields, options: WireOptions): Message {
    const message = new Message(fields);
    message.#wireOptions = options;
    message.#soleOption = soleNameOf(options);
    return message;
  }

  /** @internal Notes by which broker a message is sent: its result is to be had there. */
  static sentBy(broker: Broker, message: Message): void {
    if (!(#origin in message)) {
      throw new TypeError(
        `Cannot send message of actor "${
          (message as Message).actorName
        }": it is not a Message of ` +
          "this copy of @dq/dramatiq; more than one is installed",
      );
    }
    message.#origin = broker;
  }

  /** @internal Notes by which actor a message was made: it is for the broker of that. */
  static madeBy(actor: Actor, message: Message): void {
    message.#origin = actor;
  }

  /** @internal The broker that sent a message, or else that of the actor that made it, if known. */
  static brokerOf(message: Message): Broker | undefined {
    const origin = message.#origin;
    return typeof origin === "function" ? origin.broker : origin;
  }

  /** @internal Notes that a message was not sent, since another one is there. */
  static noteDuplicate(message: Message): void {
    duplicates.add(message);
  }

  /**
   * True if it is what `send` gave in place of a duplicate: it has the id of the message that is
   * there, so that `getResult()` waits for that one. See the actor option `unique`.
   */
  get isDuplicate(): boolean {
    return duplicates.has(this);
  }

  /** @internal The data that it was decoded from, as long as it says the same. */
  get encoded(): Encoded | undefined {
    return this.#encoded;
  }

  /** The options by their names here, frozen. */
  get options(): MessageOptions {
    this.#options ??= fromWireOptions(this.#wireOptions);
    return this.#options;
  }

  /** {@linkcode Message.messageTimestamp} as a `Date`. */
  get messageDatetime(): Date {
    return new Date(this.messageTimestamp);
  }

  /** Number of times it was snoozed, see `Snooze`. */
  get snoozes(): number {
    const snoozes = this.option("snoozes");
    return typeof snoozes === "number" && snoozes > 0 ? snoozes : 0;
  }

  /**
   * One option, without making {@linkcode Message.options}.
   *
   * @param name Its name here.
   * @returns Its value, `undefined` when it is not set.
   */
  option(name: string): unknown {
    const options = this.#wireOptions;
    if (options === NO_OPTIONS) return undefined;
    const wireName = toWireName(name);
    // Ten options of a message are looked up, and on Redis it has mostly one, its id there.
    const sole = this.#soleOption;
    if (sole !== undefined && sole !== wireName && sole !== name) return undefined;
    if (Object.hasOwn(options, wireName)) return options[wireName];
    return Object.hasOwn(options, name) ? options[name] : undefined;
  }

  /**
   * The message in wire form. One that was received gives its arguments as they
   * were received, whatever its actor has made of them since.
   */
  asDict(): MessageDict {
    const { args, kwargs, options } = this.#encoded === undefined
      ? { args: this.args, kwargs: this.kwargs, options: this.#wireOptions }
      : this.#asReceived();
    return {
      queue_name: this.queueName,
      actor_name: this.actorName,
      args,
      kwargs,
      options,
      message_id: this.messageId,
      message_timestamp: this.messageTimestamp,
    };
  }

  /**
   * A changed copy. Options are merged: one that is `undefined` is taken out.
   *
   * @param changes The fields to change.
   * @returns The copy, with the same id unless that is changed.
   */
  copy(changes: MessageChanges = {}): Message<R, I> {
    const original = this.#asReceived();
    const copy = new Message<R, I>({
      queueName: changes.queueName ?? this.queueName,
      actorName: changes.actorName ?? this.actorName,
      args: changes.args ?? original.args,
      kwargs: changes.kwargs ?? original.kwargs,
      messageId: changes.messageId ?? this.messageId,
      messageTimestamp: changes.messageTimestamp ?? this.messageTimestamp,
    });
    copy.#origin = this.#origin;
    copy.#wireOptions = changes.options === undefined
      ? original.options
      : mergeOptions(original.options, changes.options);
    return copy;
  }

  /** @internal As `copy`, with one option more, by its name on the wire: faster. */
  with(wireName: string, value: unknown): Message<R, I> {
    if (this.#encoded !== undefined || this.#wireOptions !== NO_OPTIONS) {
      return this.copy({ options: { [wireName]: value } });
    }
    const { queueName, actorName, args, kwargs, messageId, messageTimestamp } = this;
    const fields = { queueName, actorName, args, kwargs, messageId, messageTimestamp };
    const copy = new Message<R, I>(fields);
    copy.#wireOptions = { [wireName]: value };
    return copy;
  }

  /**
   * Writes the message with the encoder of this process.
   *
   * @returns The message as the encoder of this process writes it.
   * @throws {TypeError} If an argument or option is something that the encoder cannot
   *   carry. The text names it.
   */
  encode(): Encoded {
    try {
      const encoder = getEncoder();
      return encoder.encodeMessage?.(this.asDict()) ?? encoder.encode(this.asDict());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const reason = errorMessage(error).replace(/^Cannot encode /, "");
      throw new TypeError(`Cannot encode message for actor "${this.actorName}": ${reason}`, {
        cause: error,
      });
    }
  }

  /**
   * The result of this message, from the backend of the `Results` middleware.
   *
   * @param options Whether and how long to wait for it.
   * @returns What the actor returned.
   * @throws {ResultMissing} If there is none (yet) and `block` is not set.
   * @throws {ResultTimeout} If there is none when the time is over.
   * @throws {ResultFailure} If the actor failed for good.
   * @throws {TypeError} If the broker has no result backend.
   */
  async getResult(options: GetResultOptions = {}): Promise<R> {
    const backend = options.backend ?? (Message.brokerOf(this) ?? getBroker()).getResultBackend();
    return await backend.getResult(this, options) as R;
  }

  /**
   * Cancels this message, wherever it is: it will not run, or is stopped if it does. What its actor
   * has done by then stays done. Its result, if those are stored, is a `Cancelled` failure.
   *
   * @param options Why, and how.
   * @throws {TypeError} If the broker has no control store.
   * @throws {RangeError} If a time is below 0.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancel(options: CancelOptions = {}): Promise<void> {
    await cancelMessages(Message.brokerOf(this) ?? getBroker(), [cancelTargetOf(this)], options);
  }

  /**
   * Makes a pipeline: the result of this message becomes the last argument of
   * the next.
   *
   * @param next A message or pipeline that takes what this one's actor returns.
   * @returns The pipeline; nothing is sent before it is run.
   */
  pipe<R2, I2>(
    next: (Message<R2, I2> | Pipeline<R2, I2>) & ([R] extends [I2] ? unknown : never),
  ): Pipeline<R2, I> {
    return pipeline([this, next as Message]) as unknown as Pipeline<R2, I>;
  }

  /** The call, for people to read: `add(1, 2)`. */
  toString(): string {
    return showCall(this.actorName, this.args, this.kwargs);
  }

  /** Arguments to pass on: values with their original spelling, not those an actor may have changed. */
  #asReceived(): { args: readonly unknown[]; kwargs: Kwargs; options: WireOptions } {
    if (this.#encoded !== undefined) {
      const encoder = getEncoder();
      const decoded = encoder.decodeExactly?.(this.#encoded) ?? encoder.decode(this.#encoded);
      return decoded as MessageDict;
    }
    return { args: this.args, kwargs: this.kwargs, options: this.#wireOptions };
  }
}

function fromWire(wire: unknown, data: Encoded): Message {
  const dict = toMessageDict(wire, data);
  return Message.ofWire({
    queueName: dict.queue_name,
    actorName: dict.actor_name,
    args: dict.args,
    kwargs: dict.kwargs,
    messageId: dict.message_id,
    messageTimestamp: dict.message_timestamp,
  }, hasNone(dict.options) ? NO_OPTIONS : dict.options);
}
