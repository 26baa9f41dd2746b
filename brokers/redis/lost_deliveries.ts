import type { Buffer } from "node:buffer";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { QueueKeys } from "./keys.ts";
import { MAX_BATCH, REQUEUE } from "./scripts.ts";
import { type RedisSession, runOnce } from "./session.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("redis");

/** All consumers that the broker has open on a queue. */
export interface Holders {
  /** Pending fetches. */
  fetches(): unknown[];
  /** Ids of the messages in flight, those being settled included. */
  heldIds(): Set<string>;
}

/**
 * Requeues lost deliveries: messages that Redis handed to this broker, whose reply was lost with the
 * connection. No other worker recovers them, since this broker is alive.
 *
 * A message is lost if Redis lists it as unacknowledged in two checks, no consumer holds it in either,
 * it has not arrived between them, and no fetch that was pending at the first is pending at the
 * second, whose reply might still bring it. Replies come in the order of the commands: a message that
 * Redis lists though its settling was sent before is still settling when the list is read.
 */
export class LostDeliveries {
  readonly #session: RedisSession;
  readonly #keys: QueueKeys;
  readonly #holders: Holders;
  /** Messages that no consumer held at the last check, and the fetches that were pending. */
  #candidates: { readonly ids: Set<string>; readonly fetches: readonly unknown[] } | undefined;
  #isChecking = false;

  /**
   * Stores where to check.
   *
   * @param session The broker.
   * @param keys Keys of the queue.
   * @param holders The consumers of the queue.
   */
  constructor(session: RedisSession, keys: QueueKeys, holders: Holders) {
    this.#session = session;
    this.#keys = keys;
    this.#holders = holders;
  }

  /**
   * Checks for lost deliveries, if there may be any.
   *
   * @param mayBeLost Whether Redis counts more messages as unacknowledged than the consumers hold.
   */
  check(mayBeLost: boolean): void {
    if (!mayBeLost) this.forget();
    else if (!this.#isChecking) {
      this.#isChecking = true;
      this.#check().catch((error) => {
        log.debug("Failed to check for lost messages: {reason}", { reason: errorMessage(error) });
      }).finally(() => this.#isChecking = false);
    }
  }

  /** Drops messages that have arrived from the candidates. */
  arrived(deliveries: readonly RedisDelivery[]): void {
    if (this.#candidates === undefined) return;
    for (const { id } of deliveries) this.#candidates.ids.delete(id);
  }

  /** Drops all candidates. */
  forget(): void {
    this.#candidates = undefined;
  }

  async #check(): Promise<void> {
    const { queue, messages, unacknowledged } = this.#keys;
    const { connection } = this.#session;
    const reply = await connection.command("list deliveries", "smembers", unacknowledged);
    const before = this.#candidates;
    const held = this.#holders.heldIds();
    const fetches = this.#holders.fetches();
    const unheld = (reply as Buffer[]).map((id) => id.toString())
      .filter((id) => !held.has(id));
    this.#candidates = { ids: new Set(unheld), fetches };
    // The reply of a fetch that is still pending may contain these messages.
    if (before === undefined || before.fetches.some((one) => fetches.includes(one))) return;
    const lost = unheld.filter((id) => before.ids.has(id));
    if (lost.length === 0) return;
    this.forget();
    for (let i = 0; i < lost.length; i += MAX_BATCH) {
      const ids = lost.slice(i, i + MAX_BATCH);
      await runOnce(this.#session, REQUEUE, [queue, messages, unacknowledged], ids);
    }
    log.info(
      counted(lost.length, "Requeued {count} message(s) of {queue} whose delivery was cut off"),
      {
        count: lost.length,
        queue,
      },
    );
  }
}
