import { Message } from "../core/message.ts";
import type { Kwargs } from "../core/message_dict.ts";
import type { MessageOptions } from "../core/message_options.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { canonicalQueueName } from "../core/queue_names.ts";

/** A message that was sent in a test. `P` are its arguments. */
export interface EnqueuedMessage<P extends readonly unknown[] = readonly unknown[]> {
  /** Name of the actor that it is for. */
  readonly actorName: string;
  /** Positional arguments, as the actor gets them: once they were encoded and decoded. */
  readonly args: P;
  /** Keyword arguments. */
  readonly kwargs: Kwargs;
  /** The queue, also of a delayed message. */
  readonly queueName: string;
  /** Delay in milliseconds; `undefined` for none. */
  readonly delay: number | undefined;
  /** Options of the message by their names here. */
  readonly options: MessageOptions;
  /** The message as it was stored. */
  readonly message: Message;
}

/** Messages in the order in which they were sent. */
export class EnqueuedMessages {
  #all: EnqueuedMessage[] = [];
  readonly #names: Set<string> = new Set();

  /** All of them; a copy. */
  get all(): EnqueuedMessage[] {
    return [...this.#all];
  }

  /** Messages of an actor. */
  of(actorName: string): EnqueuedMessage[] {
    return this.#all.filter((one) => one.actorName === actorName);
  }

  /**
   * Adds a message.
   *
   * @param message The message as it was stored.
   * @param duration Its delay.
   */
  add(message: Message, duration: Duration | undefined): void {
    const delay = duration === undefined ? undefined : toMilliseconds(duration, "delay");
    const { actorName, args, kwargs, options } = Message.decode(message.encode());
    const queueName = canonicalQueueName(message.queueName);
    this.#names.add(actorName);
    this.#all.push({ actorName, args, kwargs, queueName, delay, options, message });
  }

  /** True if a message for that actor was sent, since forgotten or not. */
  hasName(actorName: string): boolean {
    return this.#names.has(actorName);
  }

  /** Forgets them. */
  clear(): void {
    this.#all = [];
  }
}
