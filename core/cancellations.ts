import type { ControlEntry } from "./control_store.ts";
import { Cancelled } from "./interrupt.ts";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { canonicalQueueName } from "./queue_names.ts";
import { type Cancellation, ID_PREFIX, toCancellation, UNDONE } from "./stored_cancellation.ts";

/** The cancellations that a worker knows. */
export class Cancellations {
  readonly #ids: Map<string, Cancellation> = new Map();
  readonly #predicates: Map<string, Cancellation> = new Map();
  readonly #reasons: WeakMap<Cancellation, Cancelled> = new WeakMap();

  /** Number of items. */
  get size(): number {
    return this.#ids.size + this.#predicates.size;
  }

  /** Number of items of single messages. */
  get idCount(): number {
    return this.#ids.size;
  }

  /**
   * Notes a change of the control store.
   *
   * @param entry An entry, of whatever kind.
   * @returns Whether messages may be cancelled that were not before.
   */
  apply(entry: ControlEntry): boolean {
    const cancellation = toCancellation(entry);
    if (entry.key.startsWith(ID_PREFIX)) {
      const messageId = entry.key.slice(ID_PREFIX.length);
      if (cancellation === undefined) this.#ids.delete(messageId);
      else this.#ids.set(messageId, cancellation);
    } else if (cancellation === undefined) this.#predicates.delete(entry.key);
    else this.#predicates.set(entry.key, cancellation);
    return cancellation !== undefined;
  }

  /**
   * Looks whether a message is cancelled.
   *
   * @param message The message.
   * @returns Its cancellation, if there is one.
   */
  find(message: Message | MessageProxy): Cancellation | undefined {
    const own = this.#ids.get(message.messageId);
    if (own !== undefined && !isUndone(message, own)) return own;
    for (const one of this.#predicates.values()) {
      if (one.actor !== undefined && one.actor !== message.actorName) continue;
      if (one.queue !== undefined && one.queue !== canonicalQueueName(message.queueName)) continue;
      if (message.messageTimestamp < one.before!) return one;
    }
    return undefined;
  }

  /**
   * Reason for which messages are dropped that have not started. All messages of a cancellation share
   * it: an error takes longer to make than such a message takes for the rest of its way.
   *
   * @param cancellation What was found for a message.
   */
  reasonOf(cancellation: Cancellation): Cancelled {
    let reason = this.#reasons.get(cancellation);
    if (reason === undefined) this.#reasons.set(cancellation, reason = toInterrupt(cancellation));
    return reason;
  }
}

/** Interrupt of a cancelled actor that runs: each has one of its own, with which it may do anything. */
export function toInterrupt({ reason, keep }: Cancellation): Cancelled {
  return new Cancelled(reason, { keep });
}

/** True if the message was requeued after this. */
function isUndone(message: Message | MessageProxy, { version }: Cancellation): boolean {
  const undone = message.option(UNDONE);
  return typeof undone === "number" && version <= undone;
}
