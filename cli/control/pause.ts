import type { Program } from "../program.ts";
import { timeOf } from "../time_argument.ts";
import { collect, makeControlCommand } from "./arguments.ts";
import { runControl } from "./run.ts";

const EXIT_CODES = "0 done, 2 wrong arguments or a module that does not import, 3 the control " +
  "store\ncannot be reached.";

/**
 * Runs `worker.ts pause`. Without a queue it lists what is paused.
 *
 * @param args The arguments after `pause`.
 * @param program Modules that need not be named.
 * @returns The exit code.
 */
export function runPause(args: readonly string[], program: Program): Promise<number> {
  const command = makeControlCommand(
    "pause",
    "Pauses queues on all workers, until they are resumed. Without --queue it lists the queues that " +
      "are paused.",
    EXIT_CODES,
  )
    .option("-Q, --queue <name>", "this queue; repeatable", collect)
    .option(
      "--until <time>",
      "resume by itself then: a date, or 30m, 2h from now",
      timeOf("until", Date.now(), 1),
    )
    .option("--reason <text>", "why, for people to read")
    .option("--dry-run", "say what would be paused, and do nothing");
  return runControl(command, args, program, async ({ control, options, print, queues }) => {
    const { until, reason, dryRun } = options;
    const ending = (time: number | undefined) =>
      time === undefined ? "" : ` until ${new Date(time).toISOString()}`;
    if (options.queue === undefined) {
      for (const one of await control.paused()) {
        const why = one.reason === undefined ? "" : `: ${one.reason}`;
        print(`Queue ${one.queue} is paused${ending(one.until)}${why}`, { ...one });
      }
      return;
    }
    for (const queue of queues("pause queue")) {
      const given = { ...(until !== undefined && { until }), ...(reason && { reason }) };
      if (!dryRun) await control.pause({ queue }, given);
      const verb = dryRun ? "Would pause" : "Paused";
      print(`${verb} queue ${queue}${ending(until)}`, { queue, ...given, dryRun: !!dryRun });
    }
  });
}

/**
 * Runs `worker.ts resume`.
 *
 * @param args The arguments after `resume`.
 * @param program Modules that need not be named.
 * @returns The exit code.
 */
export function runResume(args: readonly string[], program: Program): Promise<number> {
  const command = makeControlCommand("resume", "Resumes queues on all workers.", EXIT_CODES)
    .option("-Q, --queue <name>", "this queue; repeatable", collect)
    .option("--dry-run", "say what would be resumed, and do nothing");
  return runControl(command, args, program, async ({ control, options, print, queues }) => {
    const { dryRun } = options;
    for (const queue of queues("resume queue")) {
      const wasPaused = dryRun
        ? (await control.paused()).some((one) => one.queue === queue)
        : await control.resume({ queue });
      const verb = dryRun ? "Would resume" : "Resumed";
      const line = wasPaused ? `${verb} queue ${queue}` : `Queue ${queue} is not paused`;
      print(line, { queue, wasPaused, dryRun: !!dryRun });
    }
  });
}
