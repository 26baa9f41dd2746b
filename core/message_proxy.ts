import { formatTraceback } from "../platform/thrown.ts";
import type { Actor } from "./actor.ts";
import type { Interrupt } from "./interrupt.ts";
import { checkKnownOptions, type KnownOptions } from "./known_options.ts";
import type { Message } from "./message.ts";
import type { Kwargs } from "./message_dict.ts";
import type { MessageOptions } from "./message_options.ts";
import type { Suspicion } from "./suspicion.ts";
import { UndecodableMessage } from "./undecodable_message.ts";

/** Options of an interrupt. */
export interface InterruptOptions {
  /**
   * Milliseconds that the actor gets to end before it is abandoned.
   *
   * @default {Infinity}
   */
  grace?: number;
}

const INTERRUPT_OPTIONS: KnownOptions<InterruptOptions> = { grace: "number" };

/** Listener to the interrupts of a message. An object, since a closure per message is slower. */
export interface InterruptListener {
  /** The actor should stop within `grace` milliseconds. */
  interrupted(reason: Interrupt, grace: number): void;
}

/**
 * One delivery of a message to a worker: the message, and the state of its processing. Brokers extend
 * it with the data that they need to settle it.
 *
 * @example Read a message in a hook of a middleware
 * ```ts
 * import { type MessageProxy, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.addMiddleware({
 *   beforeProcessMessage(_broker, message: MessageProxy) {
 *     console.log(message.actorName, message.args, message.option("retries") ?? 0);
 *   },
 * });
 * ```
 */
export class MessageProxy {
  /**
   * The message. Middleware may replace it by a changed copy, which is what a dead letter contains.
   */
  message: Message;
  /** Milliseconds that the actor may run. Set by `TimeLimit`. */
  timeLimit: number = Infinity;
  /** Time at which it is interrupted, by the monotonic time of the broker's clock. Set by `TimeLimit`. */
  deadline: number = Infinity;
  /** Set if a worker died while it had the message in flight: it is marked before it runs then. */
  suspicion: Suspicion | undefined = undefined;
  /** @internal Its running actor. */
  actor: Actor | undefined = undefined;
  /** @internal Index in the list of messages whose actors run; -1 if it is not there. */
  contextIndex = -1;
  #failed = false;
  #retried = false;
  #snoozed = false;
  #killed = false;
  #exception: unknown;
  #traceback: string | undefined;
  #interrupt: Interrupt | undefined;
  #controller: AbortController | undefined;
  #onInterrupt: InterruptListener | undefined;

  /**
   * Wraps a message that a consumer received.
   *
   * @param message The message.
   */
  constructor(message: Message) {
    this.message = message;
  }

  /** The queue or delay queue that it was received from. */
  get queueName(): string {
    return this.message.queueName;
  }

  /** Name of its actor. */
  get actorName(): string {
    return this.message.actorName;
  }

  /** Positional arguments. */
  get args(): readonly unknown[] {
    return this.message.args;
  }

  /** Keyword arguments, from Python. */
  get kwargs(): Kwargs {
    return this.message.kwargs;
  }

  /** The options by their names in this library. */
  get options(): MessageOptions {
    return this.message.options;
  }

  /** One option by its name in this library; `undefined` if it is not set. */
  option(name: string): unknown {
    return this.message.option(name);
  }

  /** Unique id, which retries and delays do not change. */
  get messageId(): string {
    return this.message.messageId;
  }

  /** Time of its creation, in milliseconds since the epoch. */
  get messageTimestamp(): number {
    return this.message.messageTimestamp;
  }

  /** True if it will be dead-lettered instead of acknowledged. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Has it dead-lettered instead of acknowledged. */
  fail(): void {
    this.#failed = true;
  }

  /** True if its retry is stored. */
  get retried(): boolean {
    return this.#retried;
  }

  /** Notes that its retry is stored. */
  markRetried(): void {
    this.#retried = true;
  }

  /** Number of times it was snoozed, see `Snooze`. */
  get snoozes(): number {
    return this.message.snoozes;
  }

  /** True if it was snoozed, and is stored to run again. */
  get snoozed(): boolean {
    return this.#snoozed;
  }

  /** Notes that it was snoozed, and is stored to run again. */
  markSnoozed(): void {
    this.#snoozed = true;
    this.#retried = true;
  }

  /** True if its thread or process was killed, or crashed, because of it. */
  get killed(): boolean {
    return this.#killed;
  }

  /** Notes that its thread or process was killed, or crashed, because of it. */
  markKilled(): void {
    this.#killed = true;
  }

  /** The error that it failed with, if any. */
  get exception(): unknown {
    return this.#exception;
  }

  /** Notes the error that it failed with; `StubBroker.join` throws it again. */
  stuffException(exception: unknown): void {
    this.#exception = exception;
    this.#traceback = undefined;
  }

  /** Forgets the error. */
  clearException(): void {
    this.stuffException(undefined);
  }

  /** @internal The traceback of `exception`, formatted when it is first read. */
  get traceback(): string {
    this.#traceback ??= formatTraceback(this.#exception);
    return this.#traceback;
  }

  /**
   * The message as a dead letter: with the `traceback` of its last error. Undecodable data is
   * unchanged.
   */
  get deadLetter(): Message {
    return this.deadLetterWithin(Infinity);
  }

  /**
   * As `deadLetter`, with a shortened traceback, for a server that refuses large messages.
   *
   * @param maxTraceback Maximum of characters of the traceback.
   */
  deadLetterWithin(maxTraceback: number): Message {
    const { message } = this;
    if (message instanceof UndecodableMessage || this.#exception === undefined) return message;
    const traceback = maxTraceback === Infinity
      ? this.traceback
      : formatTraceback(this.#exception, maxTraceback);
    if (message.option("traceback") === traceback) return message; // `Retries` has set it
    return message.copy({ options: { traceback } });
  }

  /** Signal that aborts when the actor should stop. Created at first access. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#interrupt !== undefined) this.#controller.abort(this.#interrupt);
    }
    return this.#controller.signal;
  }

  /**
   * True if its consumer is known to have lost it, so that it is delivered again. Brokers override it.
   */
  get isLost(): boolean {
    return false;
  }

  /** Reason of the first interrupt, if any. */
  get interruptReason(): Interrupt | undefined {
    return this.#interrupt;
  }

  /**
   * Interrupts the actor. The signal aborts with the reason of the first interrupt; later ones can only
   * shorten the grace period.
   *
   * @param reason The reason.
   * @param options The grace period.
   */
  interrupt(reason: Interrupt, options: InterruptOptions = {}): void {
    checkKnownOptions("interrupt a message", options, INTERRUPT_OPTIONS);
    if (this.#interrupt === undefined) {
      this.#interrupt = reason;
      this.#controller?.abort(reason);
    }
    this.#onInterrupt?.interrupted(reason, options.grace ?? Infinity);
  }

  /**
   * Forgets an interrupt, and starts the time limit again. Executors call it before they run a message
   * again, whose thread or process was lost.
   *
   * @param now The present monotonic time of the broker's clock.
   */
  renew(now: number): void {
    this.#interrupt = undefined;
    this.#controller = undefined;
    this.deadline = now + this.timeLimit;
  }

  /** Listener to interrupts, while the message is processed. */
  set onInterrupt(listener: InterruptListener | undefined) {
    this.#onInterrupt = listener;
  }

  /** The call, such as `add(1, 2)`. */
  toString(): string {
    return this.message.toString();
  }
}
