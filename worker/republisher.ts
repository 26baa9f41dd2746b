import type { Broker } from "../core/broker.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { moveDelayed } from "./delayed.ts";
import { postpone } from "./paused_actors.ts";
import type { Settlement } from "./settlement.ts";

/** Moves messages of one worker between queues and delay queues, and counts them meanwhile. */
export class Republisher {
  readonly #broker: Broker;
  readonly #onEnd: () => void;
  #count = 0;

  /**
   * Makes a republisher that moves nothing yet.
   *
   * @param broker The broker of all queues.
   * @param onEnd Called when no message is being moved any more.
   */
  constructor(broker: Broker, onEnd: () => void) {
    this.#broker = broker;
    this.#onEnd = onEnd;
  }

  /** Number of messages that are being moved. */
  get count(): number {
    return this.#count;
  }

  /** Moves a delayed message that is due to its queue. */
  promote(message: MessageProxy, settlement: Settlement): void {
    this.#track(moveDelayed(this.#broker, message, settlement));
  }

  /** Moves a message that has not begun to the delay queue. */
  postpone(message: MessageProxy, settlement: Settlement, delay: number): void {
    this.#track(postpone(this.#broker, message, settlement, delay));
  }

  #track(move: Promise<void>): void {
    this.#count += 1;
    move.then(() => {
      this.#count -= 1;
      if (this.#count === 0) this.#onEnd();
    });
  }
}
