import type { ControlStore } from "../../core/control_store.ts";
import type { Clock } from "../../platform/clock.ts";
import type { RabbitmqConnection } from "./connection.ts";
import type { ConsumerChannels } from "./consumer_channels.ts";
import type { Ladder } from "./ladder.ts";
import type { PublisherPool } from "./publisher_pool.ts";
import type { Topology } from "./topology.ts";

/** Objects shared by the parts of one broker. */
export interface RabbitmqSession {
  readonly clock: Clock;
  /** Unique among the brokers that share its queues. */
  readonly brokerId: string;
  /** Store of the marks of suspects, if there is one. */
  readonly control: ControlStore | undefined;
  /** Connection that consumes. */
  readonly connection: RabbitmqConnection;
  /** Declares queues on that connection. */
  readonly topology: Topology;
  /** The ladders of delayed messages. */
  readonly ladder: Ladder;
  /** Publishes messages that move from one queue to another, always with confirmation. */
  readonly confirmedPublisher: PublisherPool;
  /** Channels of the consumers. */
  readonly channels: ConsumerChannels;
  /** Maximum of milliseconds for which a delayed message is held in memory. */
  readonly longestHold: number;
  /** Open consumers. */
  readonly consumers: Set<{ close(): Promise<void> }>;
}
