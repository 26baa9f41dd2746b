import type { MessageProxy } from "../core/message_proxy.ts";
import { shorten } from "../platform/thrown.ts";
import { AssertionError } from "./assertion_error.ts";
import type { Gate } from "./gate.ts";
import type { ActorRun, RunLog } from "./runs.ts";

/** The timers of the runtime, also where a test replaces the global ones later. */
const { setTimeout: startTimer, clearTimeout: endTimer } = globalThis;

/** Characters of a call in a text. */
const MAX_CALL = 120;

/** Options of a call that runs actors. */
export interface OperationOptions {
  /** Name of the call, in texts. */
  readonly verb: string;
  /**
   * True to end with the first error of an actor that is not expected; `"atEnd"` to run all, and
   * throw the first one after which its message was not retried.
   */
  readonly raise: boolean | "atEnd";
  /** Number of runs; with more it is taken for an endless loop. */
  readonly maxRuns: number;
  /** True if `maxRuns` is that of one point in time. */
  readonly countsAnew: boolean;
  /** Milliseconds, of real time, for which an actor may run without anything happening. */
  readonly timeout: number;
  /** True if time is skipped although actors are running. */
  readonly skipWhileRunning: boolean;
}

/** A call that runs actors, while it is running. */
export interface Operation {
  readonly verb: string;
  readonly skipsWhileRunning: boolean;
  /** Runs that have ended and are this call's: of calls at the same time, each run is one's. */
  readonly runs: ActorRun[];
  /** Number of runs that have ended, also those of calls at the same time. */
  readonly count: number;
  /** @throws The error of an actor, or an `AssertionError` after too many runs. */
  throwIfEnded(isLast?: boolean): void;
  /**
   * Waits for something to happen.
   *
   * @param awaited Gives the messages that the call waits for.
   * @param running Gives all that run, of which one may hold up the others.
   * @throws {AssertionError} If nothing does for too long.
   */
  progress(
    awaited: () => readonly MessageProxy[],
    running: () => readonly MessageProxy[],
  ): Promise<void>;
  /** Notes that time has moved. */
  timePassed(): void;
  /** Notes no more runs. */
  end(): void;
}

/**
 * Begins to note runs.
 *
 * @param options What ends the call.
 * @param log Where runs are noted.
 * @param gate Lets no more messages pass once the call is to end.
 * @param isOwn Tells whether a run counts.
 * @returns The operation; end it.
 */
export function startOperation(
  options: OperationOptions,
  log: RunLog,
  gate: Gate,
  isOwn: (run: ActorRun) => boolean,
): Operation {
  const { verb, raise, maxRuns, countsAnew, timeout } = options;
  const runs: ActorRun[] = [];
  let fault: ActorRun | undefined;
  let count = 0;
  let first = 0;
  const recent: ActorRun[] = [];
  const end = log.listen((run, isFault, isTaken) => {
    if (!isOwn(run)) return false;
    count += 1;
    recent.push(run);
    if (!isTaken) runs.push(run);
    if (isFault && (raise === true || (raise === "atEnd" && run.outcome !== "retried"))) {
      fault ??= run;
    }
    if ((fault !== undefined && raise === true) || count - first > maxRuns) gate.halt();
    return true;
  });
  return {
    verb,
    skipsWhileRunning: options.skipWhileRunning,
    runs,
    get count() {
      return count;
    },
    end,
    timePassed: () => {
      if (!countsAnew) return;
      first = count;
      recent.length = 0;
    },
    throwIfEnded: (isLast = false) => {
      if (fault !== undefined && (isLast || raise === true)) throw fault.error;
      if (count - first > maxRuns) throw endless(verb, maxRuns, recent);
    },
    progress: async (awaited, running) => {
      if (await isLate(gate.changed.next(), timeout)) {
        throw stalled(verb, timeout, awaited(), running());
      }
    },
  };
}

/** True if a time in real milliseconds has passed before a change. */
async function isLate(change: Promise<void>, timeout: number): Promise<boolean> {
  let isOver = false;
  let timer: ReturnType<typeof startTimer> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = startTimer(() => resolve(void (isOver = true)), timeout);
  });
  await Promise.race([change, late]);
  endTimer(timer);
  return isOver;
}

function endless(verb: string, maxRuns: number, runs: readonly ActorRun[]): AssertionError {
  const counts = new Map<string, number>();
  for (const { actorName } of runs) counts.set(actorName, (counts.get(actorName) ?? 0) + 1);
  const names = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, 5)
    .map(([name, times]) => `${name} ${times} times`);
  return new AssertionError(
    `Cannot ${verb}: more than ${maxRuns} messages have run, and there are more: ${
      names.join(", ")
    }. If no actor sends to itself for ever, raise maxRuns`,
  );
}

function stalled(
  verb: string,
  timeout: number,
  awaited: readonly MessageProxy[],
  running: readonly MessageProxy[],
): AssertionError {
  const show = (messages: readonly MessageProxy[]) =>
    messages.map((one) => shorten(String(one), MAX_CALL)).join(", ");
  if (awaited.length === 0 && running.length > 0) {
    return new AssertionError(
      `Cannot ${verb}: it has not begun within ${timeout} ms, since ${show(running)} is still ` +
        "running. Raise concurrency to run more messages at once",
    );
  }
  return new AssertionError(
    `Cannot ${verb}: ${show(awaited) || "a send"} has not ended within ${timeout} ms, and time ` +
      "stands still while actors run. Raise timeout if it needs longer; set skipWhileRunning if it " +
      "waits for its time limit; raise concurrency if it waits for another message",
  );
}
