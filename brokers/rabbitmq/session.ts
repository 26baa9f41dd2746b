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
  /** Tells this broker from all others that share its queues. */
  readonly brokerId: string;
  /** Store of the marks of suspects, if there is one. */
  readonly control: ControlStore | undefined;
  /** Connection that consumes. */
  readonly connection: RabbitmqConnection;
  /** Declares queues on that connection. */
  readonly topology: Topology;
  /** Knows the ladders that the confirmedPublisher puts messages on. */
  readonly ladder: Ladder;
  /** Puts messages from one queue on another. It always asks for confirmation. */
  readonly confirmedPublisher: PublisherPool;
  /** The channels that consumers use. */
  readonly channels: ConsumerChannels;
  /** Milliseconds for which a delayed message is held at most. */
  readonly longestHold: number;
  /** Open consumers. */
  readonly consumers: Set<{ close(): Promise<void> }>;
}
