import type { Message } from "../../core/message.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import type { Delivered } from "./client.ts";

/** A message delivered by a RabbitMQ consumer. */
export class RabbitmqDelivery extends MessageProxy {
  /** The delivery of amqplib. */
  readonly raw: Delivered;
  /** The message as it was delivered, without later changes. */
  readonly delivered: Message;
  /** Neighbours in the list of unsettled deliveries; only `UnacknowledgedDeliveries` sets them. */
  before: RabbitmqDelivery | undefined;
  after: RabbitmqDelivery | undefined;
  /** True while it can be settled. */
  isOpen = false;
  /** The consumer that it was delivered to; only `ConsumerChannel` sets it. */
  user: unknown;

  /**
   * Wraps a message.
   *
   * @param message The message.
   * @param raw The delivery of amqplib.
   */
  constructor(message: Message, raw: Delivered) {
    super(message);
    this.raw = raw;
    this.delivered = message;
  }

  /** True if it was settled, or its channel was closed. */
  override get isLost(): boolean {
    return !this.isOpen;
  }

  /** Delivery tag. Grows from delivery to delivery. */
  get tag(): number {
    return this.raw.fields.deliveryTag;
  }

  /** True if a consumer may have received it before. */
  get redelivered(): boolean {
    return this.raw.fields.redelivered;
  }
}

/** When a message is due, in milliseconds since the epoch; 0 without an eta. */
export function etaOf(message: Message): number {
  const eta = message.option("eta");
  return typeof eta === "number" && !Number.isNaN(eta) ? eta : 0;
}
