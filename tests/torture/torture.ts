import { performance } from "node:perf_hooks";
import { type Incident, Incidents, KILLED_WHILE_MOVING } from "./causes.ts";
import { planFaults } from "./faults.ts";
import { Fixture } from "./fixture.ts";
import { judge, type Verdict } from "./verdict.ts";
import type { Target } from "./target.ts";

/** Options of the torture. */
export interface TortureOptions {
  /** Number of messages the server is to confirm, in all. */
  readonly messages: number;
  /** Seconds over which producers spread them. */
  readonly seconds: number;
  /** Milliseconds by which messages are delayed, at most. */
  readonly longestDelay: number;
  /** Decides on the messages and the faults. */
  readonly seed: number;
  /** Number of faults; each comes when so many messages have been run. */
  readonly faults: number;
  /** Number of processes that work, besides one that does as Python's dramatiq. */
  readonly workers: number;
  /** Number of processes that send, besides one that does as Python's dramatiq. */
  readonly producers: number;
  /** Milliseconds after which a silent worker loses what it had. */
  readonly heartbeatTimeout: number;
  /**
   * Milliseconds in which, with nothing in the way, acknowledgements get through and clients
   * are back: what runs twice without a fault so near has no cause, and that is a failure.
   */
  readonly slack: number;
  /**
   * Milliseconds by which the clock of the first worker is ahead. RabbitMQ has no clock to go by:
   * what that worker retries waits so much longer there.
   */
  readonly clockError: number;
  /** Milliseconds after which everything is ended, whatever its state. */
  readonly deadline: number;
}

/** Result. */
export interface TortureReport {
  /** Target that messages were to survive. */
  readonly target: Pick<Target, "name" | "restart">;
  /** Options used. */
  readonly options: TortureOptions;
  /** Outcome of the messages. */
  readonly verdict: Verdict;
  /** Name of what was done. */
  readonly incidents: readonly Incident[];
  /** Milliseconds from the first process to the end. */
  readonly duration: number;
  /** Milliseconds from the last message sent, and the last fault, until the server was empty. */
  readonly settling: number;
  /** Problems. Nothing, it is to be hoped. */
  readonly failures: readonly string[];
  /** If something is, what the processes printed last. */
  readonly output: string;
}

/** Messages that a worker runs at once. */
const CONCURRENCY = 8;
/** The share of the messages that is sent as Python's dramatiq does, one by one. */
const PYTHON_SHARE = 0.1;
/** Messages that a worker has in flight: the library's default. */
const PREFETCH = 2 * CONCURRENCY;
const QUEUE = "torture";
/**
 * Number of looks in a row that find the server empty: RabbitMQ counts a message nowhere while it moves
 * it from one queue of the ladder to the next.
 */
const EMPTY_LOOKS = 50;
/** The numbers of a producer's messages begin at a multiple of this. */
const RANGE = 1_000_000_000;

/**
 * Sends messages, does bad things to all involved, and counts.
 *
 * @param options How.
 * @param open Starts the server.
 */
export async function torture(
  options: TortureOptions,
  open: () => Promise<Target>,
): Promise<TortureReport> {
  const start = performance.now();
  const deadline = Date.now() + options.deadline;
  await using fixture = new Fixture(await open(), deadline);
  const failures: string[] = [];
  let settling = NaN;
  try {
    await runWithFaults(fixture, options);
    const over = performance.now();
    await settle(fixture);
    settling = performance.now() - over;
  } catch (error) {
    failures.push((error as Error).message);
  }
  const leftovers = await fixture.target.findLeftovers().catch((error: Error) => [error.message]);
  const verdict = judge(fixture.ledger, new Incidents(fixture.incidents, options.slack));
  failures.push(...findFailures(verdict, fixture.incidents, options));
  failures.push(...leftovers.map((leftover) => `left on the server: ${leftover}`));
  return {
    ...{ options, verdict, incidents: fixture.incidents, settling, failures },
    target: { name: fixture.target.name, restart: fixture.target.restart },
    duration: performance.now() - start,
    output: failures.length === 0 ? "" : await fixture.lastOutput(),
  };
}

/** Starts everybody, and lets one fault happen after the other as the work goes on. */
async function runWithFaults(fixture: Fixture, options: TortureOptions): Promise<void> {
  const { messages, seconds, longestDelay, seed, workers, producers } = options;
  const { faults: kinds, isShared = true } = fixture.target;
  const peers = isShared ? 1 : 0;
  for (let i = 0; i < workers + peers; i++) {
    const clockError = i === 0 ? options.clockError : 0;
    const told = { queueName: QUEUE, concurrency: CONCURRENCY, clockError };
    await fixture.add({ program: i < workers ? "worker" : "python_worker", told });
  }
  const { ledger } = fixture;
  await fixture.wait("start the workers", () => ledger.ready.size === workers + peers);
  const ofPython = Math.floor(messages * PYTHON_SHARE) * peers;
  for (let i = 0; i < producers + peers; i++) {
    const ofOurs = Math.floor((messages - ofPython + i) / producers);
    const content = { first: i * RANGE, seconds, longestDelay, seed: seed + i };
    const told = { queueName: QUEUE, ...content, messages: i < producers ? ofOurs : ofPython };
    await fixture.add({ program: i < producers ? "producer" : "python_producer", told });
  }
  const isSent = () => fixture.producers.every((name) => ledger.closed.has(name));

  const faults = planFaults({
    ...options,
    workers: workers + peers,
    producers: producers + peers,
    kinds,
  });
  const enacted: Promise<void>[] = [];
  try {
    for (const [i, fault] of faults.entries()) {
      const due = messages * (i + 1) / (faults.length + 1);
      await fixture.wait(`run ${Math.round(due)} messages`, async () => {
        return ledger.done >= due || (isSent() && await isEmpty(fixture));
      });
      enacted.push(fixture.enact(fault));
    }
  } finally {
    await Promise.allSettled(enacted);
  }
  await Promise.all(enacted);
  await fixture.wait("send everything", isSent);
}

/** Waits until nothing is left to do, and ends the workers. */
async function settle(fixture: Fixture): Promise<void> {
  const { ledger } = fixture;
  let looks = 0;
  await fixture.wait("run everything", async () => {
    looks = await isEmpty(fixture) ? looks + 1 : 0;
    return looks === EMPTY_LOOKS;
  });
  const { workers } = fixture;
  await fixture.wait(
    "start the last workers",
    () => workers.every((name) => ledger.ready.has(name)),
  );
  fixture.endWorkers();
  await fixture.wait("end the workers", () => workers.every((name) => ledger.closed.has(name)));
}

async function isEmpty({ target }: Fixture): Promise<boolean> {
  return (await target.findLeftovers()).length === 0;
}

/** Says what is wrong. */
function findFailures(
  verdict: Verdict,
  incidents: readonly Incident[],
  { messages, faults }: TortureOptions,
): string[] {
  const { sent, rejected, lost, strange, duplicates, unexplained } = verdict;
  const failures: string[] = [];
  const some = (numbers: readonly number[]) => numbers.slice(0, 10).join(", ");
  if (sent !== messages) failures.push(`${sent} messages were sent instead of ${messages}`);
  if (incidents.length < faults) failures.push(`${incidents.length} faults instead of ${faults}`);
  if (lost.length > 0) failures.push(`${lost.length} messages are lost: ${some(lost)}`);
  if (strange.length > 0) failures.push(`${strange.length} were never sent: ${some(strange)}`);
  if (unexplained.length > 0) {
    failures.push(`${unexplained.length} duplicates have no cause: ${some(unexplained)}`);
  }
  for (const [error, count] of rejected) {
    if (error === "ConnectionClosed" || error === "ConnectionFailed") continue;
    failures.push(`${count} sends were rejected with ${error}`);
  }
  const kills = incidents.filter(({ kind }) => kind === "kill").length;
  // Python's workers hold a thousand delayed messages, and put them on their queues one by one.
  const byKill = [...duplicates]
    .filter(([cause]) => cause.startsWith("killed") && cause !== KILLED_WHILE_MOVING)
    .reduce((sum, [, count]) => sum + count, 0);
  if (byKill > kills * PREFETCH) {
    failures.push(`${byKill} duplicates by ${kills} kills of workers with ${PREFETCH} in flight`);
  }
  return failures;
}
