import { errorMessage } from "../../../platform/thrown.ts";
import type { ClusterFault, Engine, Servers } from "./engine.ts";
import { Load } from "./load.ts";
import type { OperationName } from "./operations.ts";

/** Milliseconds in which messages run again once servers can serve. */
const LONGEST_RECOVERY = 10_000;

/** Outcome of one trial: a fault of an engine, under load. */
export interface Outcome {
  readonly engine: Engine;
  readonly fault: ClusterFault;
  /** Number of messages that the engine had confirmed. */
  readonly confirmed: number;
  /** Number of those messages that never ran. */
  readonly lost: number;
  /** Number of messages that ran more than once. */
  readonly twice: number;
  /** Number of operations that hung. */
  readonly stuck: number;
  /** Milliseconds from when the servers could serve until a message ran that was sent after that. */
  readonly recovery: number | undefined;
  /** Number of operations that failed with the error of an outage. */
  readonly failed: ReadonlyMap<OperationName, number>;
  /** Problems: what must not be. */
  readonly problems: readonly string[];
}

/**
 * Runs the trials of one engine one after the other, each with queues of its own.
 *
 * @param engine The engine, which is started.
 * @param isChosen Whether a fault is to happen.
 * @returns What became of them.
 */
export async function runTrials(
  engine: Engine,
  isChosen: (fault: ClusterFault) => boolean,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  await using servers = await engine.start();
  for (const fault of servers.faults.filter(isChosen)) {
    outcomes.push(await runTrial(engine, servers, fault));
  }
  return outcomes;
}

async function runTrial(engine: Engine, servers: Servers, fault: ClusterFault): Promise<Outcome> {
  const id = crypto.randomUUID().replaceAll("-", "");
  const clients = servers.open(id);
  const problems: string[] = [];
  let recovery: number | undefined;
  const load = new Load(clients, id);
  const step = async (name: string, run: () => Promise<void>) => {
    try {
      await run();
    } catch (error) {
      problems.push(`${name}: ${errorMessage(error)}`);
    }
  };
  await step("start", () => load.start());
  await step("fault", () => fault.begin());
  if (engine.needsAll) await step("end", () => fault.end());
  const from = performance.now();
  await step("recover", async () => {
    await load.untilRunning();
    recovery = performance.now() - from;
    if (recovery > LONGEST_RECOVERY) throw new Error(`it took ${Math.round(recovery)} ms`);
  });
  if (!engine.needsAll) await step("end", () => fault.end());
  await step("run after the fault", () => load.untilRunning());
  await step("settle", () => load.settle());
  await step("release", () => load.untilAllSlots());
  await step("stop", () => load.stop());
  await step("close", () => clients.close());
  const { operations, confirmed, lost, twice, tooManyHolders } = load;
  const mayLose = fault.mayLose !== undefined;
  const isForgotten = fault.mayForget !== undefined;
  if (lost > 0 && !mayLose) problems.push(`${lost} messages are lost`);
  if (tooManyHolders > 0 && !mayLose && !isForgotten) {
    problems.push(`${tooManyHolders} held a slot too many`);
  }
  const { failed, missingResults } = operations;
  if (missingResults > 0 && !isForgotten) problems.push(`${missingResults} results never came`);
  const stuck = operations.stuck + (isForgotten ? 0 : missingResults);
  problems.push(...summaryOf(operations.problems));
  return { engine, fault, confirmed, lost, twice, stuck, recovery, failed, problems };
}

/** Each text once, with how often it was there. */
function summaryOf(texts: readonly string[]): string[] {
  const counts = Map.groupBy(texts, (text) => text);
  return [...counts].map(([text, { length }]) => length === 1 ? text : `${text} (${length} times)`);
}
