import type { Message } from "../../core/message.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import type { IndexedSetItem } from "../../platform/indexed_set.ts";

let deliveries = 0;

/** A message delivered by a Redis consumer. */
export class RedisDelivery extends MessageProxy implements IndexedSetItem {
  /** Id on Redis. */
  readonly id: string;
  /** The message as it was delivered, without later changes. */
  readonly delivered: Message;
  /** Grows from delivery to delivery. */
  readonly order: number = deliveries++;
  /** Index among the unsettled deliveries. */
  setIndex = -1;

  /**
   * Wraps a message.
   *
   * @param message The message.
   * @param id Its id on Redis.
   */
  constructor(message: Message, id: string) {
    super(message);
    this.id = id;
    this.delivered = message;
  }
}

/** A delayed message that was claimed: it stays stored in Redis until it is promoted. */
export class DueDelivery extends RedisDelivery {
  /** True once it was moved to its queue. */
  isPromoted = false;
}
