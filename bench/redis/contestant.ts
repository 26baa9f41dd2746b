import type { Contestant } from "../contest/contestant.ts";
import type { SendMode } from "./assignment.ts";

/** One client library, or none, and how to read what it has stored. */
export interface RedisContestant extends Contestant<SendMode> {
  /** Deletes all messages, where the server is not Redis. */
  clear?(): Promise<void>;
  /** The numbers of all messages on the server, read from there by other means. */
  stored(): Promise<number[]>;
  /** Number of messages the server still has, those at work included. */
  left(): Promise<number>;
}
