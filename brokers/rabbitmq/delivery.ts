import type { Message } from "../../core/message.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import type { Delivered } from "./client.ts";

/** A message as a RabbitMQ consumer handed it out. */
export class RabbitmqDelivery extends MessageProxy {
  /** As amqplib gave it. */
  readonly raw: Delivered;
  /** As it was delivered. */
  readonly delivered: Message;
  /** Its neighbours among the open ones; only `UnacknowledgedDeliveries` sets them. */
  before: RabbitmqDelivery | undefined;
  after: RabbitmqDelivery | undefined;
  /** True if it is among the open ones. */
  isOpen = false;
  /** The consumer that it was delivered to; only `ConsumerChannel` sets it. */
  user: unknown;

  /**
   * Wraps a message.
   *
   * @param message What was delivered.
   * @param raw The same as amqplib gave it.
   */
  constructor(message: Message, raw: Delivered) {
    super(message);
    this.raw = raw;
    this.delivered = message;
  }

  /** True if it was settled, or its channel is gone. */
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

/** When a message is due, in milliseconds since the epoch; 0 where it does not say. */
export function etaOf(message: Message): number {
  const eta = message.option("eta");
  return typeof eta === "number" && !Number.isNaN(eta) ? eta : 0;
}
