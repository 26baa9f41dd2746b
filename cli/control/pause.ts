import type { PauseOutcome } from "../../control/pauses.ts";
import { isoTime } from "../iso_time.ts";
import { collectQueue } from "../named_queues.ts";
import type { Program } from "../program.ts";
import { timeOf } from "../time_argument.ts";
import { type ControlOptions, makeControlCommand } from "./arguments.ts";
import { type ControlTask, runControl } from "./run.ts";

const EXIT_CODES =
  "0 done, 2 wrong arguments, a module that does not import, or a broker without a\n" +
  "control store, 3 the control store cannot be reached.";

/**
 * Runs `worker.ts pause`. Without a queue and an actor it lists the pauses.
 *
 * @param args The arguments after `pause`.
 * @param program This program.
 * @returns The exit code.
 */
export function runPause(args: readonly string[], program: Program): Promise<number> {
  const command = makeControlCommand(
    "pause",
    "Pauses queues or an actor on all workers, until they are resumed. Without --queue and --actor " +
      "it lists what is paused.",
    EXIT_CODES,
  )
    .option("-Q, --queue <name>", "this queue; repeatable", collectQueue)
    .option("-A, --actor <name>", "this actor, not the others of its queue")
    .option(
      "--until <time>",
      "resume automatically then: a date, or a time from now such as 30m, 2h",
      timeOf("until", Date.now(), 1),
    )
    .option("--reason <text>", "the reason, for people to read")
    .option("--dry-run", "print what would be paused, and do nothing");
  return runControl(command, args, program, async (task) => {
    const { control, options, print, queues } = task;
    const { until, reason, dryRun } = options;
    const ending = (time: number | undefined) =>
      time === undefined ? "" : ` until ${isoTime(time) ?? time}`;
    if (options.queue === undefined && options.actor === undefined) {
      const paused = await control.paused();
      for (const one of paused) {
        const why = one.reason === undefined ? "" : `: ${one.reason}`;
        const what = one.actor === undefined ? `Queue ${one.queue}` : `Actor ${one.actor}`;
        print(`${what} is paused${ending(one.until)}${why}`, { ...one });
      }
      if (paused.length === 0) task.note("Nothing is paused");
      return warnOf(paused, task);
    }
    const outcomes: PauseOutcome[] = [];
    const targets = targetsOf(options, queues, "pause");
    await task.warnOfUnknown(targets.flatMap(({ queue }) => queue ?? []));
    for (const target of targets) {
      const given = { ...(until !== undefined && { until }), ...(reason && { reason }) };
      const outcome = dryRun ? { ignoredBy: [] } : await control.pause(target, given);
      outcomes.push(outcome);
      const verb = dryRun ? "Would pause" : "Paused";
      const json = { ...target, ...given, ...outcome, dryRun: !!dryRun };
      print(`${verb} ${textOf(target)}${ending(until)}`, json);
    }
    warnOf(outcomes, task);
  });
}

/** Warns of workers in Python, which do not support pauses. */
function warnOf(outcomes: readonly PauseOutcome[], { warn }: ControlTask): void {
  const ids = new Set(outcomes.flatMap(({ ignoredBy }) => ignoredBy));
  if (ids.size === 0) return;
  warn(
    `Workers in Python do not support pauses, and continue. Seen recently, perhaps only to send: ${
      [...ids].join(", ")
    }`,
  );
}

/**
 * Runs `worker.ts resume`.
 *
 * @param args The arguments after `resume`.
 * @param program This program.
 * @returns The exit code.
 */
export function runResume(args: readonly string[], program: Program): Promise<number> {
  const description = "Resumes queues or an actor on all workers.";
  const command = makeControlCommand("resume", description, EXIT_CODES)
    .option("-Q, --queue <name>", "this queue; repeatable", collectQueue)
    .option("-A, --actor <name>", "this actor")
    .option("--dry-run", "print what would be resumed, and do nothing");
  return runControl(command, args, program, async ({ control, options, print, queues }) => {
    const { dryRun } = options;
    for (const target of targetsOf(options, queues, "resume")) {
      const { queue, actor } = target;
      const wasPaused = dryRun
        ? (await control.paused()).some((one) => one.queue === queue && one.actor === actor)
        : await control.resume(target);
      const text = textOf(target);
      const verb = dryRun ? "Would resume" : "Resumed";
      const line = wasPaused
        ? `${verb} ${text}`
        : `${text[0]!.toUpperCase()}${text.slice(1)} is not paused`;
      print(line, { ...target, wasPaused, dryRun: !!dryRun });
    }
  });
}

/** A queue or an actor. */
type Target = { readonly queue?: string; readonly actor?: string };

/** The queues and the actor of the options. @throws {UsageError} If there are none. */
function targetsOf(
  { queue, actor }: ControlOptions,
  queues: (purpose: string) => readonly string[],
  verb: "pause" | "resume",
): Target[] {
  const named = actor === undefined || queue !== undefined ? queues(`${verb} queue`) : [];
  const targets: Target[] = named.map((queueName) => ({ queue: queueName }));
  return actor === undefined ? targets : [...targets, { actor }];
}

function textOf({ queue, actor }: Target): string {
  return actor === undefined ? `queue ${queue}` : `actor ${actor}`;
}
