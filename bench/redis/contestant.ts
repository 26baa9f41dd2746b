import type { SendMode } from "./assignment.ts";

/** A worker that the measurement starts and stops. */
export interface Crew {
  /** Begins to take messages. Connections are open already. */
  start(): void;
  /** Resolves when the server has heard of all that ran. Called after the last has run. */
  settled(): Promise<void>;
  /** Stops for good. */
  close(): Promise<void>;
}

/** One client library, or none, behind what the measurements need of it. */
export interface Contestant {
  /** Makes ready what is not to be measured. */
  prepare?(messages: number): void;
  /** Sends messages numbered from 0. */
  send(mode: SendMode, messages: number): Promise<void>;
  /** The numbers of all messages on the server, read from there by other means. */
  stored(): Promise<number[]>;
  /** How many messages the server still has, those at work included. */
  left(): Promise<number>;
  /** Connects a worker whose actor tells the number of each message and does nothing else. */
  hire(concurrency: number, ran: (index: number) => void): Promise<Crew>;
  /** Ends all connections. */
  close(): Promise<void>;
}
