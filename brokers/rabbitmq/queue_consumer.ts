import { type OneOrMany, toList } from "../../core/consumer.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { delayQueueName } from "../../core/queue_names.ts";
import { etaOf, type RabbitmqDelivery } from "./delivery.ts";
import { Marks } from "./marks.ts";
import { RabbitmqConsumer } from "./rabbitmq_consumer.ts";
import type { RabbitmqSession } from "./session.ts";

/** Consumes a queue: messages are received as they arrive. */
export class RabbitmqQueueConsumer extends RabbitmqConsumer {
  /** Marks of its suspects, if there is a control store for them. */
  readonly #marks: Marks | undefined;

  constructor(queueName: string, prefetch: number, session: RabbitmqSession) {
    super(queueName, prefetch, session);
    const { control, clock, brokerId } = session;
    if (control !== undefined) this.#marks = new Marks({ control, clock, brokerId });
  }

  /** Marks messages that were delivered before. */
  override async begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    const list = toList(messages) as readonly RabbitmqDelivery[];
    const suspects = list.filter(({ suspicion, isOpen }) => isOpen && suspicion !== undefined);
    if (suspects.length > 0) await this.#marks?.begin(suspects);
    const held = list.filter(({ isOpen }) => isOpen);
    // Messages that were lost meanwhile do not run here, and this worker has not died of them.
    if (held.length < list.length) await this.#marks?.returned(list.filter((one) => !one.isOpen));
    return held;
  }

  override async ack(messages: OneOrMany): Promise<void> {
    await super.ack(messages);
    if (this.#marks?.isUsed) await this.#marks.settled(toList(messages));
  }

  override async nack(messages: OneOrMany): Promise<void> {
    await super.nack(messages);
    if (this.#marks?.isUsed) await this.#marks.settled(toList(messages));
  }

  override async requeue(messages: OneOrMany): Promise<void> {
    if (this.#marks?.isUsed) await this.#marks.returned(toList(messages));
    await super.requeue(messages);
  }

  protected arrived(delivery: RabbitmqDelivery): void {
    if (this.#marks !== undefined && delivery.redelivered) {
      delivery.suspicion = { deaths: 0, notes: "" };
    }
    // A message on an ordinary queue may have an eta, too, as in Python.
    const eta = etaOf(delivery.message);
    if (eta > 0 && eta > this.session.clock.now()) {
      this.republisher.add(delivery, delayQueueName(this.queueName));
    } else this.give(delivery);
  }

  protected override async dropped(): Promise<void> {
    await this.#marks?.lost();
  }
}
