import process from "node:process";
import { parseArgs } from "node:util";
import { type ContestantName, CONTESTANTS } from "./rows.ts";

/** Parts that can be measured. */
const PARTS = ["serial", "enqueue", "process", "pickup", "idle"] as const;

/** The most bytes of the arguments in one call for many messages. */
const MAX_CALL = 8_000_000;

/** Parsed command line. */
export interface BenchOptions {
  /** A run's messages. */
  readonly messages: number;
  /** Milliseconds that round trips take longer. */
  readonly latencies: readonly number[];
  /** Number of times each row is measured; the median counts. */
  readonly runs: number;
  /** Parts to measure. */
  readonly parts: ReadonlySet<string>;
  /** Whom to measure. */
  readonly contestants: ReadonlySet<ContestantName>;
  /** True if to compare a small backlog with a large one. */
  readonly backlog: boolean;
  /** Messages of the small and of the large backlog. */
  readonly backlogs: readonly [number, number];
  /** Messages in a script of the bare loop, and in a call of BullMQ's. */
  readonly sendBatch: number;
  /** Bytes of text in the arguments of each message, if there are any. */
  readonly size: number | undefined;
}

/**
 * Reads the command line.
 *
 * @throws {TypeError} If it has options that there are not.
 * @throws {RangeError} If a value is not one of those there are.
 */
export function readOptions(): BenchOptions {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: {
      messages: { type: "string", default: "100000" },
      latencies: { type: "string", default: "0,1,2" },
      runs: { type: "string", default: "3" },
      rows: { type: "string", default: PARTS.join() },
      contestants: { type: "string", default: CONTESTANTS.join() },
      backlog: { type: "boolean", default: false },
      backlogs: { type: "string", default: "10000,1000000" },
      batch: { type: "string", default: "1000" },
      size: { type: "string" },
    },
  });
  const size = values.size === undefined ? undefined : count("size", values.size);
  const [small, large] = values.backlogs.split(",").map((text) => count("backlogs", text));
  return {
    messages: count("messages", values.messages),
    latencies: values.latencies.split(",").map(Number),
    runs: count("runs", values.runs),
    parts: new Set(chosen("rows", values.rows, PARTS)),
    contestants: new Set(chosen("contestants", values.contestants, CONTESTANTS)),
    backlog: values.backlog,
    backlogs: [small!, large ?? small!],
    sendBatch: Math.min(count("batch", values.batch), Math.ceil(MAX_CALL / (size ?? 1))),
    size,
  };
}

function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RangeError(`Cannot take "${text}" for --${name}: it must be a whole number above 0`);
}

function chosen<T extends string>(name: string, text: string, from: readonly T[]): T[] {
  const names = text.split(",").filter((one) => one !== "");
  const strange = names.filter((one) => !from.includes(one as T));
  if (strange.length === 0) return names as T[];
  throw new RangeError(`Cannot take "${strange.join()}" for --${name}: there are ${from.join()}`);
}
