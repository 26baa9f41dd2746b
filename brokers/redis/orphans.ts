import type { Buffer } from "node:buffer";
import { getLogger } from "../../core/logging.ts";
import { errorMessage } from "../../core/thrown.ts";
import type { QueueKeys } from "./keys.ts";
import { MAX_BATCH, REQUEUE } from "./scripts.ts";
import { runOnce, type Session } from "./session.ts";

const log = getLogger("redis");
/**
 * Gives back messages that Redis handed to this broker and that never arrived, because
 * the connection was cut before the answer. Nobody else would: this broker is alive.
 *
 * Such a message is one that no consumer has at hand in two looks, with no fetch under
 * way at the second that was there at the first: its answer may still come.
 */
export class Orphans {
  readonly #session: Session;
  readonly #keys: QueueKeys;
  /** What nobody had at the last look, and the fetch that may bring it. */
  #suspects:
    | { readonly ids: ReadonlySet<string>; readonly fetches: readonly unknown[] }
    | undefined;
  #isLooking = false;

  /**
   * Stands by a queue.
   *
   * @param session The broker.
   * @param keys The queue.
   */
  constructor(session: Session, keys: QueueKeys) {
    this.#session = session;
    this.#keys = keys;
  }

  /**
   * Looks, if there may be any.
   *
   * @param areSuspected Whether Redis counts more than the consumer has.
   * @param fetches Those under way.
   * @param heldIds Gives the ids of all that a consumer has at hand.
   */
  look(areSuspected: boolean, fetches: readonly unknown[], heldIds: () => Set<string>): void {
    if (!areSuspected) this.#suspects = undefined;
    else if (!this.#isLooking) {
      this.#isLooking = true;
      this.#look(fetches, heldIds).catch((error) => {
        log.debug("Cannot look for lost messages: {reason}", { reason: errorMessage(error) });
      }).finally(() => this.#isLooking = false);
    }
  }

  async #look(fetches: readonly unknown[], heldIds: () => Set<string>): Promise<void> {
    const { queue, messages, unacknowledged } = this.#keys;
    const before = this.#suspects;
    const reply = await this.#session.connection.command("smembers", unacknowledged);
    const held = heldIds();
    const strange = (reply as Buffer[]).map((id) => id.toString())
      .filter((id) => !held.has(id));
    this.#suspects = { ids: new Set(strange), fetches };
    // What was on its way then, and has not arrived, may still be what is strange.
    if (before === undefined || before.fetches.some((one) => fetches.includes(one))) return;
    const lost = strange.filter((id) => before.ids.has(id));
    if (lost.length === 0) return;
    for (let i = 0; i < lost.length; i += MAX_BATCH) {
      const ids = lost.slice(i, i + MAX_BATCH);
      await runOnce(this.#session, REQUEUE, [queue, messages, unacknowledged], ids);
    }
    this.#suspects = undefined;
    log.info("Gave back {count} messages of {queue} whose delivery was cut off", {
      count: lost.length,
      queue,
    });
  }
}
