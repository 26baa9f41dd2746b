import type { RedisDelivery } from "./delivery.ts";
import type { Acknowledgements } from "./in_flight.ts";
import type { QueueHeartbeat, RedisSession, Run } from "./session.ts";
import type { Suspects } from "./suspects.ts";

/** Queue or delay queue that a {@linkcode Prefetcher} fetches from. */
export interface FetchSource {
  /** Fetches whose replies have not been read yet. */
  readonly fetches: readonly unknown[];
  /** Gets messages from the server: all it can get at once, up to `limit`. */
  fetch(limit: number): Promise<RedisDelivery[]>;
  /** Begins another fetch, if one is under way, there is a backlog, and room for a batch of it. */
  fetchAhead(): void;
  /** Reads the replies of all fetches that were begun ahead. */
  drain(): Promise<RedisDelivery[]>;
  /** Has the prefetcher woken up when there may be something to get, or soon. */
  expectMore(): void;
  /** Ends the subscription to new messages. */
  expectNothing(): void;
  /** True if a heartbeat tells of something to get. */
  hasMore(heartbeat: QueueHeartbeat): boolean;
  /** Cleans up once all messages were given back. */
  closed(): Promise<void>;
}

/** Prefetcher, as its source sees it. */
export interface FetchDemand {
  /** Ends the wait for messages: there may be some. */
  readonly wakeUp: () => void;
  /**
   * Number of messages to fetch before `receive` asks for them: a batch or more, or 0.
   *
   * @param arriving Number of messages that have just arrived, or may.
   */
  roomBeside(arriving: number): number;
}

/** Parts of a consumer that its source uses. */
export interface SourceOptions {
  readonly session: RedisSession;
  readonly queueName: string;
  /** Acknowledgements that a fetch can take along. */
  readonly acks: Acknowledgements;
  readonly suspects: Suspects;
  /** Runs a script that must get through. */
  readonly run: Run;
}
