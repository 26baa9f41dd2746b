/**
 * A producer to be tortured. Sends until the server has confirmed as many messages as it was told
 * to send, and notes what became of each `send`.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { actor } from "../../mod.ts";
import { openBroker } from "./broker.ts";
import { type Entry, Journal } from "./journal.ts";
import { logToOutput } from "./output.ts";
import { Random } from "./random.ts";
import type { BrokerArguments } from "./target.ts";

/** Arguments of the program. */
export interface ProducerArguments {
  /** Its broker. */
  readonly broker: BrokerArguments;
  /** The queue. */
  readonly queueName: string;
  /** The number of the first message; the others follow. */
  readonly first: number;
  /** Number of messages that are to be confirmed. */
  readonly messages: number;
  /** Seconds over which to spread them. */
  readonly seconds: number;
  /** Milliseconds by which messages are delayed, at most. */
  readonly longestDelay: number;
  /** Decides which messages are delayed, fail, and are sent how. */
  readonly seed: number;
  /** The file to write to. */
  readonly journal: string;
}

/** Arguments of a message, and its delay. */
interface Batch {
  readonly call: [number: number, failures: number, duration: number];
  readonly delay: number | undefined;
}

/** One by one, all in one turn, or in one call with one delay for all. */
type Way = "one by one" | "at once" | "together";

const LARGEST_BATCH = 60;
const SHORTEST_DELAY = 100;
const LONGEST_RUN = 25;
/** Milliseconds to wait when the server was away. */
const PAUSE = 100;

const told: ProducerArguments = JSON.parse(process.argv[2]!);
await logToOutput();
const journal = new Journal(told.journal);
const broker = openBroker(told.broker);
const torture = actor(function torture(_number: number, _failures: number, _duration: number) {}, {
  broker,
  queueName: told.queueName,
});
const random = new Random(told.seed);
let next = told.first;
let sent = 0;

const start = performance.now();
while (sent < told.messages) {
  const way = random.pick<Way>(["one by one", "at once", "together"]);
  const batches = packBatch(way, Math.min(told.messages - sent, random.between(1, LARGEST_BATCH)));
  const entries = await sendBatch(way, batches);
  const confirmed = entries.filter((entry) => entry.kind === "sent").length;
  sent += confirmed;
  const due = start + sent / told.messages * told.seconds * 1_000;
  const isUnavailable = confirmed < entries.length;
  await delay(Math.max(due - performance.now(), isUnavailable ? PAUSE : 0));
}
await broker.close();
journal.write({ kind: "closed", at: Date.now() });

function packBatch(way: Way, size: number): Batch[] {
  const randomDelay = () =>
    random.chance(0.2) ? random.between(SHORTEST_DELAY, told.longestDelay) : undefined;
  const common = randomDelay();
  return Array.from({ length: size }, () => ({
    call: [next++, random.chance(0.1) ? 1 : 0, random.between(0, LONGEST_RUN)],
    delay: way === "together" ? common : randomDelay(),
  }));
}

async function sendBatch(way: Way, batches: readonly Batch[]): Promise<Entry[]> {
  if (way === "at once") {
    return (await Promise.all(batches.map((batch) => noted([batch], () => send(batch))))).flat();
  }
  if (way === "together") {
    const [{ delay }] = batches as [Batch];
    const calls = batches.map(({ call }) => call);
    return await noted(
      batches,
      () => torture.sendMany(calls, delay === undefined ? {} : { delay }),
    );
  }
  const entries: Entry[] = [];
  for (const batch of batches) entries.push(...await noted([batch], () => send(batch)));
  return entries;
}

function send({ call, delay }: Batch): Promise<unknown> {
  if (delay === undefined) return torture.send(...call);
  return torture.sendWithOptions({ args: call, delay });
}

/** Sends, and notes at once how that ended. */
async function noted(batches: readonly Batch[], send: () => Promise<unknown>): Promise<Entry[]> {
  const from = Date.now();
  let error: string | undefined;
  try {
    await send();
  } catch (thrown) {
    error = (thrown as Error).name;
  }
  const at = Date.now();
  const entries = batches.map(({ call: [number] }): Entry =>
    error === undefined
      ? { kind: "sent", number, from, at }
      : { kind: "rejected", number, from, at, error }
  );
  journal.write(...entries);
  return entries;
}
