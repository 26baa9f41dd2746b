import { delayQueueName } from "../../core/queue_names.ts";
import { etaOf, type RabbitmqDelivery } from "./delivery.ts";
import { RabbitmqConsumer } from "./rabbitmq_consumer.ts";

/** Takes messages off a queue, and hands them out as they come. */
export class RabbitmqQueueConsumer extends RabbitmqConsumer {
  protected arrived(delivery: RabbitmqDelivery): void {
    // A message may say when it is due on any queue; Python honours it, too.
    const eta = etaOf(delivery.message);
    if (eta > 0 && eta > this.session.clock.now()) {
      this.republisher.add(delivery, delayQueueName(this.queueName));
    } else this.give(delivery);
  }
}
