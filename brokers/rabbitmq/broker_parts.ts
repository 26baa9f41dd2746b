import type { Clock } from "../../platform/clock.ts";
import type { ControlStore } from "../../core/control_store.ts";
import { randomUuid } from "../../platform/runtime.ts";
import { outagesOf, RabbitmqConnection } from "./connection.ts";
import { ConsumerChannels } from "./consumer_channels.ts";
import { longestHold } from "./consumer_timeout.ts";
import { DeliveryLimits } from "./delivery_limits.ts";
import { Ladder } from "./ladder.ts";
import type { CheckedOptions } from "./options.ts";
import { PublisherPool } from "./publisher_pool.ts";
import type { RabbitmqSession } from "./session.ts";
import { Topology } from "./topology.ts";

/** Parts of a `RabbitmqBroker`. */
export interface BrokerParts {
  /** Connection that publishes. */
  readonly publishing: RabbitmqConnection;
  /** Declares queues on that connection. */
  readonly topology: Topology;
  /** Publishes messages that are enqueued. */
  readonly publisher: PublisherPool;
  /** Session shared by the consumers. */
  readonly session: RabbitmqSession;
}

/**
 * Creates the parts of a broker, without connecting.
 *
 * @param clock The clock of the broker.
 * @param options Options of the broker.
 * @param control The control store, if there is one.
 */
export function makeParts(
  clock: Clock,
  options: CheckedOptions,
  control: ControlStore | undefined,
): BrokerParts {
  const {
    sources,
    confirmDelivery,
    blockedTimeout,
    consumerTimeout,
    managementUrl: _managementUrl,
    ...settings
  } = options;
  const outage = outagesOf(sources);
  const publishing = new RabbitmqConnection("publish", sources, outage);
  const consuming = new RabbitmqConnection("consume", sources, outage);
  const ladder = new Ladder({ publishing, consuming }, settings.queueType);
  const deliveryLimits = new DeliveryLimits();
  const topology = new Topology(publishing, settings, ladder, deliveryLimits);
  const confirmedPublisher = new PublisherPool(publishing, topology, {
    isConfirmed: true,
    blockedTimeout,
  });
  return {
    publishing,
    topology,
    publisher: confirmDelivery
      ? confirmedPublisher
      : new PublisherPool(publishing, topology, { isConfirmed: false, blockedTimeout }),
    session: {
      clock,
      brokerId: randomUuid(),
      control,
      connection: consuming,
      topology: new Topology(consuming, settings, ladder, deliveryLimits),
      ladder,
      confirmedPublisher,
      channels: new ConsumerChannels(),
      longestHold: longestHold(consumerTimeout),
      consumers: new Set(),
    },
  };
}
