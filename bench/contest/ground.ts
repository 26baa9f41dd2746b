import type { Crew } from "./contestant.ts";

/** The server on which a contestant is measured, and what is known of it by other means. */
export interface Ground {
  /** Messages in the first warm-up: few where a message takes long. */
  readonly firstWarmUp: number;
  /** Drops all messages. */
  clear(): Promise<void>;
  /** Has another process fill the queue, so that nothing of making them is left in memory. */
  fill(messages: number): Promise<void>;
  /** Milliseconds of processor time that the server has taken; not a number where it is not known. */
  serverTime?(): number;
  /** The numbers of all messages on the queue. */
  stored(): Promise<number[]>;
  /** Closes a crew that is through, and counts what the server still has. */
  dismiss(crew: Crew): Promise<number>;
}
