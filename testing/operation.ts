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
  /** True to end with the first error of an actor that is not expected. */
  readonly raise: boolean;
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
  /** Runs that have ended. */
  readonly runs: ActorRun[];
  /** @throws The error of an actor, or an `AssertionError` after too many runs. */
  throwIfEnded(): void;
  /** Waits for something to happen. @throws {AssertionError} If nothing does for too long. */
  progress(running: () => readonly MessageProxy[]): Promise<void>;
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
  let first = 0;
  const end = log.listen((run, isFault) => {
    if (!isOwn(run)) return;
    runs.push(run);
    if (isFault && raise) fault ??= run;
    if (fault !== undefined || runs.length - first > maxRuns) gate.halt();
  });
  return {
    verb,
    skipsWhileRunning: options.skipWhileRunning,
    runs,
    end,
    timePassed: () => {
      if (countsAnew) first = runs.length;
    },
    throwIfEnded: () => {
      if (fault !== undefined) throw fault.error;
      if (runs.length - first > maxRuns) throw endless(verb, maxRuns, runs.slice(first));
    },
    progress: async (running) => {
      let isLate = false;
      let timer: ReturnType<typeof startTimer> | undefined;
      const late = new Promise<void>((resolve) => {
        timer = startTimer(() => resolve(void (isLate = true)), timeout);
      });
      await Promise.race([gate.changed.next(), late]);
      endTimer(timer);
      if (isLate) throw stalled(verb, timeout, running());
    },
  };
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
  running: readonly MessageProxy[],
): AssertionError {
  const calls = running.map((one) => shorten(String(one), MAX_CALL)).join(", ") || "a send";
  return new AssertionError(
    `Cannot ${verb}: ${calls} has not ended within ${timeout} ms, and time stands still while ` +
      "actors run. Raise timeout if it needs longer; set skipWhileRunning if it waits for its time limit",
  );
}
