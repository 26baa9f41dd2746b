/**
 * Rules of what a worker makes of an actor that brings its realm down, or does not stop, among
 * others that mean no harm. On Deno a thread that computes for ever burns a core until the
 * process ends: such scenarios run in a process of their own,
 * `crash_play.ts thread spin`, and print their report.
 *
 * @module
 */
import process from "node:process";
import { ProcessExecutor, ThreadExecutor } from "@dq/dramatiq";
import { isMain } from "../../../platform/runtime.ts";
import { errorType } from "../../../platform/thrown.ts";
import { ACTORS, Fixture } from "./fixture.ts";

const BYSTANDERS = 12;
/** Actors that only their time limit ends. */
const STUCK = ["spin", "spinLater", "wait", "ignore"];

/** Number of times the offender is retried: where that is the same code, not at all. */
export function retriesOf(how: string): number {
  return how === "exit" || how === "wait" ? 1 : 0;
}

/** Result. */
export interface Report {
  /** Verdict, error class and cause, and retries of the offender, and how often it began. */
  readonly offender: readonly [string, string, string, unknown, number];
  /** Bystanders that were acknowledged with their result, and were not retried. */
  readonly unharmed: number;
  /** All bystanders, and those that came to their end at least once. */
  readonly bystanders: readonly [number, number];
  /** True if the realms work afterwards. */
  readonly isAlive: boolean;
  /** Why the process should be replaced, if it should. */
  readonly retired: string | undefined;
}

/**
 * Runs it.
 *
 * @param kind Where actors run.
 * @param how How the offender ends, see `ENDS`.
 * @param execArgv Options of child processes.
 */
export async function runScenario(
  kind: string,
  how: string,
  execArgv: readonly string[] = [],
): Promise<Report> {
  const realm = { modules: [ACTORS], brokerExport: "broker", concurrency: 4 };
  await using fixture = await Fixture.open(
    kind === "thread"
      ? new ThreadExecutor({ ...realm, threads: 2 })
      : new ProcessExecutor({ ...realm, processes: 2, execArgv }),
  );
  const { journal } = fixture;
  const begin = (id: number) => fixture.send("bystander", [journal, `b${id}`, 100]);
  const ids = Array.from({ length: BYSTANDERS }, (_, i) => i);
  const before = ids.slice(0, BYSTANDERS / 2).map(begin);
  const offender = fixture.send("ending", [journal, "offender", how], {
    maxRetries: retriesOf(how),
    minBackoff: 1,
    timeLimit: STUCK.includes(how) ? 400 : 60_000,
  });
  const fates = await Promise.all([...before, ...ids.slice(BYSTANDERS / 2).map(begin)]);
  const { verdict, exception, delivery } = await offender;
  const echo = await Promise.all(ids.map((id) => fixture.send("echo", [id])));
  const lines = await fixture.lines();
  return {
    offender: [
      verdict,
      errorType(exception),
      String((exception as Error).cause ?? ""),
      delivery.options.retries,
      lines.filter((line) => line === "offender").length,
    ],
    unharmed:
      fates.filter(({ verdict, result, delivery }, i) =>
        verdict === "ack" && result === `b${i}` && delivery.options.retries === undefined
      ).length,
    bystanders: [
      BYSTANDERS,
      new Set(lines.filter((line) => line.endsWith(" done"))).size,
    ],
    isAlive: echo.every(({ result }, i) => (result as unknown[])[0] === i),
    retired: await Promise.race([fixture.worker.retired, Promise.resolve(undefined)]),
  };
}

if (isMain(import.meta)) {
  const [kind, how] = process.argv.slice(2) as [string, string];
  console.log(JSON.stringify(await runScenario(kind, how)));
  process.exit(0); // whatever still spins
}
