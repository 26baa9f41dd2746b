import type { Message } from "../../core/message.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import type { IndexedSetItem } from "../../platform/indexed_set.ts";

/** A message as an SQLite consumer handed it out. */
export class SqliteDelivery extends MessageProxy implements IndexedSetItem {
  /** The id of its row. */
  readonly id: number;
  /** As it was delivered. */
  readonly delivered: Message;
  /** True if it was delayed, and is on its queue now: there is nothing left to settle. */
  isPromoted = false;
  /** Its place among the unsettled ones. */
  setIndex = -1;

  constructor(message: Message, id: number) {
    super(message);
    this.id = id;
    this.delivered = message;
  }
}
