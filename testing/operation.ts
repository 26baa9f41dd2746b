import type { MessageProxy } from "../core/message_proxy.ts";
import { shorten } from "../platform/thrown.ts";
import { AssertionError } from "./assertion_error.ts";
import type { Gate } from "./gate.ts";
import type { ActorRun, RunLog } from "./runs.ts";

/** The real timers, even if a test replaces the global ones later. */
const { setTimeout: startTimer, clearTimeout: endTimer } = globalThis;

/** Maximum of characters of a message in an error. */
const MAX_CALL = 120;

/** Options of a call that runs actors. */
export interface OperationOptions {
  /** Name of the call, for errors. */
  readonly verb: string;
  /**
   * True to fail with the first unexpected error of an actor; `"atEnd"` to run all messages, then
   * throw the first unexpected error of a message that was not retried.
   */
  readonly raise: boolean | "atEnd";
  /** Maximum of runs; more count as an endless loop. */
  readonly maxRuns: number;
  /** True if `maxRuns` applies to each point in time, rather than to the whole call. */
  readonly countsAnew: boolean;
  /** Maximum of real milliseconds without progress while an actor runs. */
  readonly timeout: number;
  /** True if time is skipped even while actors run. */
  readonly skipWhileRunning: boolean;
}

/** A running call that runs actors. */
export interface Operation {
  readonly verb: string;
  readonly skipsWhileRunning: boolean;
  /** Ended runs of this call. Each run belongs to only one of several concurrent calls. */
  readonly runs: ActorRun[];
  /** Number of ended runs, including those of concurrent calls. */
  readonly count: number;
  /**
   * @throws The error of an actor if `raise` is true, or an `AssertionError` after too many runs.
   */
  throwIfFailed(): void;
  /**
   * @throws The error of an actor unless `raise` is false, or an `AssertionError` after too many
   * runs.
   */
  throwAtEnd(): void;
  /**
   * Waits for progress.
   *
   * @param awaited Returns the messages that the call waits for.
   * @param running Returns all running messages: another one may block those that are awaited.
   * @throws {AssertionError} If there is none within the timeout.
   */
  progress(
    awaited: () => readonly MessageProxy[],
    running: () => readonly MessageProxy[],
  ): Promise<void>;
  /** Must be called when the clock has advanced. */
  timePassed(): void;
  /** Ends recording. */
  end(): void;
}

/**
 * Starts to record runs.
 *
 * @param options Limits of the call.
 * @param log The source of runs.
 * @param gate The gate, which is halted once the call must fail.
 * @param isOwn Returns true for runs to record.
 * @returns The operation, which must be ended.
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
  const throwIfEndless = () => {
    if (count - first > maxRuns) throw endless(verb, maxRuns, recent);
  };
  const end = log.listen(({ run, isFault, isClaimed }) => {
    if (!isOwn(run)) return false;
    count += 1;
    recent.push(run);
    if (!isClaimed) runs.push(run);
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
    throwIfFailed: () => {
      if (fault !== undefined && raise === true) throw fault.error;
      throwIfEndless();
    },
    throwAtEnd: () => {
      if (fault !== undefined) throw fault.error;
      throwIfEndless();
    },
    progress: async (awaited, running) => {
      if (await hasTimedOut(gate.changed.next(), timeout)) {
        throw stalled(verb, timeout, awaited(), running());
      }
    },
  };
}

/** True if a change takes longer than a number of real milliseconds. */
async function hasTimedOut(change: Promise<void>, timeout: number): Promise<boolean> {
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
