import { Message } from "../core/message.ts";
import type { Kwargs } from "../core/message_dict.ts";
import type { MessageOptions } from "../core/message_options.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { canonicalQueueName } from "../core/queue_names.ts";

/** A message that was sent in a test. `P` is the type of its arguments. */
export interface EnqueuedMessage<P extends readonly unknown[] = readonly unknown[]> {
  /** Name of its actor. */
  readonly actorName: string;
  /** Positional arguments as the actor receives them, that is, encoded and decoded. */
  readonly args: P;
  /** Keyword arguments. */
  readonly kwargs: Kwargs;
  /** The queue; for a delayed message not the delay queue. */
  readonly queueName: string;
  /** Delay in milliseconds; `undefined` for none. */
  readonly delay: number | undefined;
  /** Options of the message, with their names in this library. */
  readonly options: MessageOptions;
  /** The message as it was stored. */
  readonly message: Message;
}

/** Messages in the order in which they were sent. */
export class EnqueuedMessages {
  #all: EnqueuedMessage[] = [];
  readonly #names: Set<string> = new Set();

  /** A copy of all messages. */
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

  /** True if a message of the actor was ever added, even if cleared since. */
  hasName(actorName: string): boolean {
    return this.#names.has(actorName);
  }

  /** Removes all messages. */
  clear(): void {
    this.#all = [];
  }
}
