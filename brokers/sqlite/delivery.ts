import type { Message } from "../../core/message.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import type { IndexedSetItem } from "../../platform/indexed_set.ts";

/** A message delivered by an SQLite consumer. */
export class SqliteDelivery extends MessageProxy implements IndexedSetItem {
  /** The id of its row. */
  readonly id: number;
  /** The message as it was delivered, without later changes. */
  readonly delivered: Message;
  /** True once a delayed message is on its queue: it is not settled any more. */
  isPromoted = false;
  /** Index among the unsettled deliveries. */
  setIndex = -1;

  constructor(message: Message, id: number) {
    super(message);
    this.id = id;
    this.delivered = message;
  }
}
