import { formatTraceback } from "../platform/thrown.ts";
import type { Actor } from "./actor.ts";
import type { Interrupt } from "./interrupt.ts";
import type { Message } from "./message.ts";
import type { Kwargs } from "./message_dict.ts";
import type { MessageOptions } from "./message_options.ts";
import type { Suspicion } from "./suspicion.ts";
import { UndecodableMessage } from "./undecodable_message.ts";

/** Options of an interrupt. */
export interface InterruptOptions {
  /**
   * Milliseconds that the actor gets to settle by itself before it is abandoned.
   *
   * @default {Infinity}
   */
  grace?: number;
}

/** Hears of the interrupts of a message: an object rather than a closure per message. */
export interface InterruptListener {
  /** The actor is to stop within `grace` milliseconds. */
  interrupted(reason: Interrupt, grace: number): void;
}

/**
 * One delivery of a message to a worker: the message, and what becomes of it.
 * Brokers extend it with what they need to settle it.
 *
 * @example What hooks of a middleware get
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
   * The message. Middleware that changes it puts a changed copy here, and that
   * is what the dead letters keep.
   */
  message: Message;
  /** Milliseconds that the actor may run. Set by `TimeLimit`. */
  timeLimit: number = Infinity;
  /** When it has to be done, by the monotonic time of the broker's clock. Set by `TimeLimit`. */
  deadline: number = Infinity;
  /** Set if a worker died that had it in flight: it runs under a mark then. */
  suspicion: Suspicion | undefined = undefined;
  /** @internal The actor that runs for it. */
  actor: Actor | undefined = undefined;
  /** @internal Its place among the messages whose actors run; -1 when it has none. */
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
   * @param message What was delivered.
   */
  constructor(message: Message) {
    this.message = message;
  }

  /** The queue it came from. */
  get queueName(): string {
    return this.message.queueName;
  }

  /** The actor that it is for. */
  get actorName(): string {
    return this.message.actorName;
  }

  /** Positional arguments. */
  get args(): readonly unknown[] {
    return this.message.args;
  }

  /** Keyword arguments, which only Python callers have. */
  get kwargs(): Kwargs {
    return this.message.kwargs;
  }

  /** The options by their names here. */
  get options(): MessageOptions {
    return this.message.options;
  }

  /** One option by its name here, `undefined` when it is not set. */
  option(name: string): unknown {
    return this.message.option(name);
  }

  /** Stays the same through retries and delays. */
  get messageId(): string {
    return this.message.messageId;
  }

  /** Milliseconds since the epoch at which the message was made. */
  get messageTimestamp(): number {
    return this.message.messageTimestamp;
  }

  /** True if it is to go to the dead letters. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Marks it to go to the dead letters instead of being acknowledged. */
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

  /** True if it is snoozed, and stored to run again. */
  get snoozed(): boolean {
    return this.#snoozed;
  }

  /** Notes that it is snoozed, and stored to run again. */
  markSnoozed(): void {
    this.#snoozed = true;
    this.#retried = true;
  }

  /** True if the thread or process that ran it was killed, or crashed, because of it. */
  get killed(): boolean {
    return this.#killed;
  }

  /** Notes that the thread or process that ran it is gone because of it. */
  markKilled(): void {
    this.#killed = true;
  }

  /** The error that it failed with, as far as there is one. */
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
   * The message as the dead letters are to keep it: undecodable data as it came,
   * else with the `traceback` of what it failed with in the end.
   */
  get deadLetter(): Message {
    return this.deadLetterWithin(Infinity);
  }

  /**
   * As `deadLetter`, for a server that has less room.
   *
   * @param maxTraceback How many characters of the traceback it keeps at most.
   */
  deadLetterWithin(maxTraceback: number): Message {
    const { message } = this;
    if (message instanceof UndecodableMessage || this.#exception === undefined) return message;
    const traceback = maxTraceback === Infinity
      ? this.traceback
      : formatTraceback(this.#exception, maxTraceback);
    if (message.option("traceback") === traceback) return message; // that of `Retries`
    return message.copy({ options: { traceback } });
  }

  /** Aborts when the actor should stop. Created at first access. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#interrupt !== undefined) this.#controller.abort(this.#interrupt);
    }
    return this.#controller.signal;
  }

  /**
   * True if its consumer has lost it, and it is delivered again, if that is known. Brokers
   * override it.
   */
  get isLost(): boolean {
    return false;
  }

  /** Why the actor is to stop, once it is. */
  get interruptReason(): Interrupt | undefined {
    return this.#interrupt;
  }

  /**
   * Tells the running actor to stop. The signal aborts with the first reason; later
   * interrupts can only shorten the grace.
   *
   * @param reason What its signal aborts with.
   * @param options How long it may take.
   */
  interrupt(reason: Interrupt, options: InterruptOptions = {}): void {
    if (this.#interrupt === undefined) {
      this.#interrupt = reason;
      this.#controller?.abort(reason);
    }
    this.#onInterrupt?.interrupted(reason, options.grace ?? Infinity);
  }

  /**
   * Forgets that it was to stop, and gives it its time once more: executors do so with
   * messages that did not get to run, or lost where they ran to another one.
   *
   * @param now The monotonic time of the broker's clock.
   */
  renew(now: number): void {
    this.#interrupt = undefined;
    this.#controller = undefined;
    this.deadline = now + this.timeLimit;
  }

  /** Listener that stops the actor when it is interrupted, while it runs. */
  set onInterrupt(listener: InterruptListener | undefined) {
    this.#onInterrupt = listener;
  }

  /** The call, for people to read: `add(1, 2)`. */
  toString(): string {
    return this.message.toString();
  }
}
