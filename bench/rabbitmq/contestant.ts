import type { SendMode } from "./assignment.ts";

/** A worker that the measurement starts and stops. */
export interface Crew {
  /** Begins to take messages. Connections are open already. */
  start(): void | Promise<void>;
  /** Resolves when acknowledgements of all that ran are sent. Called after the last has run. */
  settled(): Promise<void>;
  /** Stops for good. */
  close(): Promise<void>;
}

/** The library, or a client alone, behind what the measurements need of it. */
export interface Contestant {
  /** Makes ready what is not to be measured. */
  prepare?(messages: number): void;
  /** Sends messages numbered from 0; resolves when the server has confirmed all. */
  send(mode: SendMode, messages: number): Promise<void>;
  /** Connects a worker that tells the number of each message and does nothing else. */
  hire(concurrency: number, prefetch: number, ran: (index: number) => void): Promise<Crew>;
  /** Ends all connections. */
  close(): Promise<void>;
}
