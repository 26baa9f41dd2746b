import type { Actor } from "./actor.ts";
import type { Broker } from "./broker.ts";
import { cancelMessages, type CancelOptions, cancelTargetOf } from "./cancellation.ts";
import { getBroker } from "./global_broker.ts";
import { type Encoded, getEncoder } from "../encoders/encoder.ts";
import { errorMessage } from "../platform/thrown.ts";
import { type Kwargs, type MessageDict, toMessageDict } from "./message_dict.ts";
import {
  checkChanges,
  mergeOptions,
  type MessageChanges,
  type MessageFields,
} from "./message_fields.ts";
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
import { checkResultOptions, type GetResultOptions } from "./result_source.ts";
import { randomUuid } from "../platform/runtime.ts";
import { showCall } from "./show_call.ts";

/** Duplicates that were not sent. A set, as a field of all messages would cost memory. */
const duplicates: WeakSet<Message> = /* @__PURE__ */ new WeakSet();
const NO_KWARGS: Kwargs = /* @__PURE__ */ Object.freeze({});

/** Part of a message that exists only for types. */
export interface Message<R, I> {
  /** Type of the argument that a pipeline may add; a method, so that any message fits `Message`. */
  "~pipes"?(value: I): R;
}

/**
 * One call of an actor, for a worker to run. Immutable.
 *
 * `R` is the result of the actor; `I` is the argument that a pipeline may add.
 *
 * @example A message in wire form, as Python reads it
 * ```ts
 * import { Message } from "@dq/dramatiq";
 *
 * console.log(new Message({ queueName: "default", actorName: "add", args: [1, 2] }).asDict());
 * ```
 */
export class Message<R = unknown, I = unknown> {
  /** Its queue, or the delay queue (`.DQ`) of a delayed message. */
  readonly queueName: string;
  /** Name of its actor. */
  readonly actorName: string;
  /** Positional arguments. */
  readonly args: readonly unknown[];
  /** Keyword arguments, from or for Python. */
  readonly kwargs: Kwargs;
  /** Unique id, which retries and delays do not change. */
  readonly messageId: string;
  /** Time of its creation, in milliseconds since the epoch. */
  readonly messageTimestamp: number;
  #wireOptions: WireOptions;
  /** Wire name of its only option, if it was decoded and has exactly one. */
  #soleOption: string | undefined;
  #options: MessageOptions | undefined;
  /** Data that it was decoded from. */
  #encoded: Encoded | undefined;
  /** The broker that sent it, or else the actor that made it (a test may replace its broker). */
  #origin: Broker | Actor | undefined;

  /**
   * Makes a message. Use `actor.message()` unless the actor is not declared in this process.
   *
   * @param fields The fields. Unknown ones are ignored: each message sent or received is made here, and a
   *   check would take 3 % of its time. `copy` refuses them.
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
   * Decodes a message with the encoder of this process.
   *
   * @param data A message that was encoded here or in Python.
   * @returns The message. A missing id or timestamp is filled in.
   * @throws {DecodeError} If the data is not a message.
   */
  static decode(data: Encoded): Message {
    const message = fromWire(getEncoder().decode(data), data);
    message.#encoded = data;
    return message;
  }

  /**
   * Makes a message from its wire form, such as the option `pipeTarget` of another message.
   *
   * @param dict The wire form.
   * @returns The message.
   * @throws {DecodeError} If it is not a message.
   */
  static fromDict(dict: unknown): Message {
    return fromWire(dict, "");
  }

  /** @internal Makes a message from checked fields, and options in wire form. */
  static ofWire(fields: MessageFields, options: WireOptions): Message {
    const message = new Message(fields);
    message.#wireOptions = options;
    message.#soleOption = soleNameOf(options);
    return message;
  }

  /** @internal Notes the broker that sends a message, for `getResult` and `cancel`. */
  static sentBy(broker: Broker, message: Message): void {
    if (!(#origin in message)) throw ofAnotherCopy(message);
    message.#origin = broker;
  }

  /** @internal Notes the actor that made a message. */
  static madeBy(actor: Actor, message: Message): void {
    message.#origin = actor;
  }

  /** @internal The broker that sent a message, or else the one of the actor that made it. */
  static brokerOf(message: Message): Broker | undefined {
    const origin = message.#origin;
    return typeof origin === "function" ? origin.broker : origin;
  }

  /** @internal Notes that a message was not sent because it is a duplicate. */
  static noteDuplicate(message: Message): void {
    duplicates.add(message);
  }

  /**
   * True if `send` stored nothing because the message is a duplicate. It has the id of the message
   * that is stored already, whose result `getResult()` returns. See the actor option `unique`.
   */
  get isDuplicate(): boolean {
    return duplicates.has(this);
  }

  /** @internal The data that it was decoded from; `undefined` for other messages and copies. */
  get encoded(): Encoded | undefined {
    return this.#encoded;
  }

  /** The options by their names in this library, frozen. */
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
   * Reads one option, faster than {@linkcode Message.options}.
   *
   * @param name Its name in this library.
   * @returns Its value; `undefined` if it is not set.
   */
  option(name: string): unknown {
    const options = this.#wireOptions;
    if (options === NO_OPTIONS) return undefined;
    const wireName = toWireName(name);
    // Ten options are looked up per message, and on Redis most messages have one: their id there.
    const sole = this.#soleOption;
    if (sole !== undefined && sole !== wireName && sole !== name) return undefined;
    if (Object.hasOwn(options, wireName)) return options[wireName];
    return Object.hasOwn(options, name) ? options[name] : undefined;
  }

  /**
   * The message in wire form. The arguments of a received message are those that were received, even if
   * its actor has changed them since.
   */
  asDict(): MessageDict {
    const { args, kwargs, options } = this.#asReceived();
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
   * Makes a changed copy. Options are merged: one that is `undefined` is removed.
   *
   * @param changes The fields to change.
   * @returns The copy, with the same id unless `changes` has another one.
   * @throws {TypeError} If a message has no such field.
   */
  copy(changes: MessageChanges = {}): Message<R, I> {
    checkChanges(changes);
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

  /** @internal As `copy`, but only adds one option, by its wire name: faster. */
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
   * Encodes the message with the encoder of this process.
   *
   * @returns The data.
   * @throws {TypeError} If an argument or option cannot be encoded; the error text names it.
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
   * Gets the result of this message from the backend of the `Results` middleware.
   *
   * @param options Whether and how long to wait for it.
   * @returns What the actor returned.
   * @throws {ResultMissing} If there is no result (yet) and `block` is not set.
   * @throws {ResultTimeout} If there is no result after the timeout.
   * @throws {ResultFailure} If the actor failed for good.
   * @throws {TypeError} If the broker has no result backend, or an option is not known.
   */
  async getResult(options: GetResultOptions = {}): Promise<R> {
    checkResultOptions(options);
    const backend = options.backend ?? (Message.brokerOf(this) ?? getBroker()).getResultBackend();
    return await backend.getResult(this, options) as R;
  }

  /**
   * Cancels this message: it will not run, or is interrupted if it is running. What its actor has done
   * by then is not undone. The stored result, if any, is a `Cancelled` failure.
   *
   * @param options The reason, the grace period and more.
   * @throws {TypeError} If the broker has no control store.
   * @throws {RangeError} If a time is below 0.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancel(options: CancelOptions = {}): Promise<void> {
    await cancelMessages(Message.brokerOf(this) ?? getBroker(), [cancelTargetOf(this)], options);
  }

  /**
   * Makes a pipeline: the result of this message becomes the last argument of the next one.
   *
   * @param next A message or pipeline that takes the result.
   * @returns The pipeline; nothing is sent before it is run.
   */
  pipe<R2, I2>(
    next: (Message<R2, I2> | Pipeline<R2, I2>) & ([R] extends [I2] ? unknown : never),
  ): Pipeline<R2, I> {
    return pipeline([this, next as Message]) as unknown as Pipeline<R2, I>;
  }

  /** The call, such as `add(1, 2)`. */
  toString(): string {
    return showCall(this.actorName, this.args, this.kwargs);
  }

  /** Arguments and options as received: with their spelling on the wire, and without later changes. */
  #asReceived(): { args: readonly unknown[]; kwargs: Kwargs; options: WireOptions } {
    if (this.#encoded !== undefined) {
      const encoder = getEncoder();
      const decoded = encoder.decodeExactly?.(this.#encoded) ?? encoder.decode(this.#encoded);
      return decoded as MessageDict;
    }
    return { args: this.args, kwargs: this.kwargs, options: this.#wireOptions };
  }
}

function ofAnotherCopy({ actorName }: Message): TypeError {
  return new TypeError(
    `Cannot send message of actor "${actorName}": it is not a Message of this copy of ` +
      "@dq/dramatiq; more than one is installed",
  );
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
