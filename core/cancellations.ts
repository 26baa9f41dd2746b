import type { ControlEntry } from "./control_store.ts";
import { Cancelled } from "./interrupt.ts";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { canonicalQueueName } from "./queue_names.ts";
import { type Cancellation, ID_PREFIX, toCancellation, UNDONE } from "./stored_cancellation.ts";

/** The cancellations that a worker knows of. */
export class Cancellations {
  readonly #ids: Map<string, Cancellation> = new Map();
  readonly #predicates: Map<string, Cancellation> = new Map();
  readonly #reasons: WeakMap<Cancellation, Cancelled> = new WeakMap();

  /** Number of cancellations. */
  get size(): number {
    return this.#ids.size + this.#predicates.size;
  }

  /** Number of cancellations of single messages. */
  get idCount(): number {
    return this.#ids.size;
  }

  /**
   * Notes a change of the control store.
   *
   * @param entry An entry of any kind.
   * @returns True if messages that were not cancelled before may be now.
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
   * Finds the cancellation of a message.
   *
   * @param message The message.
   * @returns The cancellation; `undefined` if the message is not cancelled.
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
   * Returns the error with which messages that have not started are dropped. All messages of a
   * cancellation share it: creating an error takes longer than the rest of dropping a message.
   *
   * @param cancellation The cancellation of the message.
   */
  reasonOf(cancellation: Cancellation): Cancelled {
    let reason = this.#reasons.get(cancellation);
    if (reason === undefined) this.#reasons.set(cancellation, reason = toInterrupt(cancellation));
    return reason;
  }
}

/** Creates the interrupt of a running actor. Each actor gets its own, because it may change it. */
export function toInterrupt({ reason, keep }: Cancellation): Cancelled {
  return new Cancelled(reason, { keep });
}

/** True if the message was requeued after this cancellation. */
function isUndone(message: Message | MessageProxy, { version }: Cancellation): boolean {
  const undone = message.option(UNDONE);
  return typeof undone === "number" && version <= undone;
}
