import process from "node:process";
import type { ServerAddress } from "../../tests/support/servers/exchange.ts";
import type { Command } from "../contest/run_contestant.ts";

/**
 * Ways to send messages: awaited one by one, all at once, or with calls for many: as many
 * calls as are quickest, or one.
 */
export type SendMode = "serial" | "concurrent" | "bulk" | "oneCall";

/** Place where a contestant works and how. Everything travels as JSON. */
interface Place {
  /** Redis, or the proxy before it. */
  readonly server: ServerAddress;
  /** Its process, to read its processor time. */
  readonly serverPid?: number | undefined;
  /** Number of messages the bare loop puts into one script when it sends. */
  readonly sendBatch: number;
  /** Bytes of text in the arguments of each message, if there are any. */
  readonly size?: number | undefined;
  /** The program that fills the queue when its assignment is added. */
  readonly filler: Command;
}

/** Fills the queue for another process. */
export interface FillAssignment extends Place {
  readonly task: "fill";
  readonly messages: number;
}

/** Sends so many messages; the clock stops when the server has confirmed the last. */
export interface EnqueueAssignment extends Place {
  readonly task: "enqueue";
  readonly mode: SendMode;
  readonly messages: number;
}

/**
 * Works off backlogs that another process made, so that nothing of making them is left in
 * memory; the clock stops when the server has heard that the last is done.
 */
export interface ProcessAssignment extends Place {
  readonly task: "process";
  readonly messages: number;
  readonly concurrency: number;
  /** Number of messages the bare loop takes with one script; elsewhere the prefetch. */
  readonly prefetch: number;
  /** Number of backlogs, one after the other. */
  readonly rounds: number;
}

/** Sends so many messages, one at a time, to a worker that is idle. */
export interface PickUpAssignment extends Place {
  readonly task: "pickUp";
  readonly messages: number;
}

/** Leaves a worker idle for so long and counts the commands that reach the server. */
export interface IdleAssignment extends Place {
  readonly task: "idle";
  readonly seconds: number;
}

/** Assignment of a contestant, in a process of its own. */
export type Assignment =
  | FillAssignment
  | EnqueueAssignment
  | ProcessAssignment
  | PickUpAssignment
  | IdleAssignment;

/** Reads the assignment of this process from its last argument. */
export function readAssignment(): Assignment {
  return JSON.parse(process.argv.at(-1)!);
}
