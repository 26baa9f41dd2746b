import type { Buffer } from "node:buffer";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { QueueKeys } from "./keys.ts";
import { MAX_BATCH, REQUEUE } from "./scripts.ts";
import { type RedisSession, runOnce } from "./session.ts";
import { counted } from "../../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("redis");

/** Consumers of a queue, as the search for lost deliveries sees them. */
export interface Holders {
  /** The fetches under way. */
  fetches(): unknown[];
  /** The ids of all messages that consumers hold, those being settled among them. */
  heldIds(): Set<string>;
}

/**
 * Gives back messages that Redis handed to this broker and that never arrived, because the
 * connection was cut before the answer. No other worker would: this broker is alive.
 *
 * Such a message is one that no consumer holds in two looks and that did not arrive between
 * them, with no fetch under way at the second that was under way at the first: its answer may
 * still come. Answers come in the order of the questions, so what Redis still counts when it is
 * looked at, and was settled before, is still being settled when the answer is read.
 */
export class LostDeliveries {
  readonly #session: RedisSession;
  readonly #keys: QueueKeys;
  readonly #holders: Holders;
  /** Messages that no consumer held at the last check, and the fetches that may bring it. */
  #candidates: { readonly ids: Set<string>; readonly fetches: readonly unknown[] } | undefined;
  #isLooking = false;

  /**
   * Stands by a queue.
   *
   * @param session The broker.
   * @param keys The queue.
   * @param holders All consumers that the broker has of it.
   */
  constructor(session: RedisSession, keys: QueueKeys, holders: Holders) {
    this.#session = session;
    this.#keys = keys;
    this.#holders = holders;
  }

  /**
   * Looks, if there may be any.
   *
   * @param mayBeLost Whether Redis counts more than the consumers hold.
   */
  look(mayBeLost: boolean): void {
    if (!mayBeLost) this.forget();
    else if (!this.#isLooking) {
      this.#isLooking = true;
      this.#look().catch((error) => {
        log.debug("Failed to check for lost messages: {reason}", { reason: errorMessage(error) });
      }).finally(() => this.#isLooking = false);
    }
  }

  /** Hears of messages that have arrived: they are not lost, whatever becomes of them. */
  arrived(deliveries: readonly RedisDelivery[]): void {
    if (this.#candidates === undefined) return;
    for (const { id } of deliveries) this.#candidates.ids.delete(id);
  }

  /** Suspects nothing any more. */
  forget(): void {
    this.#candidates = undefined;
  }

  async #look(): Promise<void> {
    const { queue, messages, unacknowledged } = this.#keys;
    const { connection } = this.#session;
    const reply = await connection.command("list deliveries", "smembers", unacknowledged);
    const before = this.#candidates;
    const held = this.#holders.heldIds();
    const fetches = this.#holders.fetches();
    const strange = (reply as Buffer[]).map((id) => id.toString())
      .filter((id) => !held.has(id));
    this.#candidates = { ids: new Set(strange), fetches };
    // What was on its way then, and has not arrived, may still be what is strange.
    if (before === undefined || before.fetches.some((one) => fetches.includes(one))) return;
    const lost = strange.filter((id) => before.ids.has(id));
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
