import process from "node:process";
import type { Command } from "../contest/run_contestant.ts";

/** The queue of all contestants. */
export const QUEUE = "bench";

/** Ways to send messages: awaited one by one, all at once, or with one call for all. */
export type SendMode = "serial" | "concurrent" | "many";

/** Place where a contestant works. Everything travels as JSON. */
interface Place {
  /** Of RabbitMQ. */
  readonly url: string;
  /** The program that fills the queue when its assignment is added. */
  readonly filler: Command;
}

/** Fills the queue for another process. */
export interface FillAssignment extends Place {
  readonly task: "fill";
  readonly messages: number;
}

/** Sends so many messages; the clock stops when the server has confirmed the last. */
export interface PublishAssignment extends Place {
  readonly task: "publish";
  readonly mode: SendMode;
  readonly messages: number;
}

/**
 * Works off a backlog that another process made; the clock stops when the last message has
 * run and its acknowledgement is sent.
 */
export interface ConsumeAssignment extends Place {
  readonly task: "consume";
  readonly messages: number;
  /** Number of messages that run at once. */
  readonly concurrency: number;
  /** Number of messages the server gives before it waits for acknowledgements. */
  readonly prefetch: number;
}

/** Sends so many messages, one at a time, to a worker that is idle. */
export interface PickUpAssignment extends Place {
  readonly task: "pickUp";
  readonly messages: number;
}

/** Assignment of a contestant, in a process of its own. */
export type Assignment =
  | FillAssignment
  | PublishAssignment
  | ConsumeAssignment
  | PickUpAssignment;

/** An assignment whose place is still open. */
export type Work = Assignment extends infer A
  ? A extends Assignment ? Omit<A, "url" | "filler"> : never
  : never;

/** Reads the assignment of this process from its last argument. */
export function readAssignment(): Assignment {
  return JSON.parse(process.argv.at(-1)!);
}
