/** Number of messages a worker takes at once. */
export interface CrewSize {
  /** Number of messages that run at once. */
  readonly concurrency: number;
  /** Number of messages that are fetched before there are acknowledgements, if that is given. */
  readonly prefetch?: number | undefined;
}

/** A worker that the measurement starts and stops. */
export interface Crew {
  /** Begins to take messages. Connections are open already. */
  start(): void | Promise<void>;
  /** Resolves when acknowledgements of all that ran are sent. Called after the last has run. */
  settled(): Promise<void>;
  /** Stops for good. */
  close(): Promise<void>;
}

/**
 * One library, or a client alone, behind what the measurements need of it.
 *
 * @typeParam Mode How messages are sent: one by one, all at once, …
 */
export interface Contestant<Mode extends string> {
  /** Makes ready what is not to be measured. */
  prepare?(messages: number): void;
  /** Sends messages numbered from 0; resolves when the server has confirmed all. */
  send(mode: Mode, messages: number): Promise<void>;
  /** Connects a worker that tells the number of each message and does nothing else. */
  hire(size: CrewSize, ran: (index: number) => void): Promise<Crew>;
  /** Ends all connections. */
  close(): Promise<void>;
}
