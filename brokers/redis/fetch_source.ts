import type { RedisDelivery } from "./delivery.ts";
import type { Acknowledgements } from "./in_flight.ts";
import type { QueueHeartbeat, RedisSession, RunScript } from "./session.ts";
import type { Suspects } from "./suspects.ts";

/** A queue or delay queue that a {@linkcode Prefetcher} fetches from. */
export interface FetchSource {
  /** Fetches whose replies have not been read yet. */
  readonly fetches: readonly unknown[];
  /** Fetches up to `limit` messages, without waiting for any to arrive. */
  fetch(limit: number): Promise<RedisDelivery[]>;
  /** Begins another fetch if one is pending, there is a backlog, and room for a batch. */
  fetchAhead(): void;
  /** Reads the replies of all fetches that were begun ahead. */
  drain(): Promise<RedisDelivery[]>;
  /** Subscribes the prefetcher: it is woken up when there may be messages to fetch. */
  expectMore(): void;
  /** Ends that subscription. */
  expectNothing(): void;
  /** True if there are messages to fetch, according to a heartbeat. */
  hasMore(heartbeat: QueueHeartbeat): boolean;
  /** Cleans up, after all messages were given back. */
  closed(): Promise<void>;
}

/** The prefetcher of a source. */
export interface FetchDemand {
  /** Ends the wait for messages. */
  readonly wakeUp: () => void;
  /**
   * Number of messages to fetch ahead of `receive`: a batch or more, or 0.
   *
   * @param arriving Number of messages that have just arrived, or that pending fetches may return.
   */
  roomBeside(arriving: number): number;
}

/** Parts of a consumer that its source uses. */
export interface SourceOptions {
  readonly session: RedisSession;
  readonly queueName: string;
  /** Acknowledgements to send with a fetch. */
  readonly acks: Acknowledgements;
  readonly suspects: Suspects;
  /** Runs a script, with retries during an outage. */
  readonly run: RunScript;
}
