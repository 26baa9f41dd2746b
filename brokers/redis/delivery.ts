import type { Message } from "../../core/message.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import type { IndexedSetItem } from "../../platform/indexed_set.ts";

let deliveries = 0;

/** A message as a Redis consumer handed it out. */
export class RedisDelivery extends MessageProxy implements IndexedSetItem {
  /** Id on the queue. */
  readonly id: string;
  /** As it was delivered. */
  readonly delivered: Message;
  /** Grows from delivery to delivery. */
  readonly order: number = deliveries++;
  /** Its place among the unsettled ones. */
  setIndex = -1;

  /**
   * Wraps a message.
   *
   * @param message What was delivered.
   * @param id What the queue calls it.
   */
  constructor(message: Message, id: string) {
    super(message);
    this.id = id;
    this.delivered = message;
  }
}

/** A delayed message on loan: it stays with the server until it is promoted. */
export class DueDelivery extends RedisDelivery {
  /** True if it is on its queue now. */
  isPromoted = false;
}
