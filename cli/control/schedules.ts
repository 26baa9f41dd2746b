import type { Control } from "../../control/control.ts";
import type { ScheduleReport } from "../../control/schedules.ts";
import { escapeText } from "../../platform/escape.ts";
import { OK } from "../exit_codes.ts";
import { isoTime } from "../iso_time.ts";
import { writeAll } from "../output.ts";
import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";
import { collect, makeControlCommand } from "./arguments.ts";
import { type ControlTask, runControl } from "./run.ts";
import { commandName } from "../command_name.ts";

const STANDARD_OUTPUT = 1;
const EXIT_CODES = "0 done, 2 wrong arguments, an unknown schedule or a module that does not\n" +
  "import, 3 the control store, or the broker, cannot be reached.";

/** An action on schedules. */
interface Action {
  readonly description: string;
  /** True if it has side effects, so that it gets `--dry-run`. */
  readonly changes: boolean;
  readonly run: (task: ControlTask) => Promise<void>;
}

const ACTIONS: ReadonlyMap<string, Action> = /* @__PURE__ */ new Map<string, Action>([
  ["list", {
    description: "Lists the schedules that live workers fire, and those that the modules declare.",
    changes: false,
    run: list,
  }],
  ["pause", {
    description: "Pauses schedules on all workers, until they are resumed.",
    changes: true,
    run: pause,
  }],
  ["resume", {
    description: "Resumes schedules on all workers. Messages that were due meanwhile are not sent.",
    changes: true,
    run: resume,
  }],
  ["trigger", {
    description: "Sends the messages of schedules now, in addition to those that are due.",
    changes: true,
    run: trigger,
  }],
]);

/**
 * Runs `worker.ts schedules`.
 *
 * @param args The arguments after `schedules`.
 * @param program This program.
 * @returns The exit code.
 */
export async function runSchedules(args: readonly string[], program: Program): Promise<number> {
  const [name = "", ...others] = args;
  const names = [...ACTIONS.keys()].join(", ");
  if (name === "--help" || name === "-h") {
    writeAll(STANDARD_OUTPUT, helpOf());
    return OK;
  }
  const action = ACTIONS.get(name);
  if (action === undefined) {
    throw new UsageError(
      name === ""
        ? `Cannot run schedules without an action: name one of ${names}; ` +
          `${commandName()} schedules --help says more`
        : `Cannot run schedules with action "${name}": it must be one of ${names}`,
    );
  }
  const command = makeControlCommand(`schedules ${name}`, action.description, EXIT_CODES)
    .option("-N, --name <name>", "this schedule; repeatable", collect);
  if (action.changes) command.option("--dry-run", "print what would be done, and do nothing");
  if (name === "pause" || name === "resume") command.option("--all", "all schedules");
  if (name === "pause") {
    command.option("--yes", "required with --all, unless with --dry-run").option(
      "--reason <text>",
      "the reason, for people to read",
    );
  }
  return await runControl(command, others, program, async (task) => {
    try {
      await action.run(task);
    } catch (error) {
      // The name is unknown.
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(error.message, { cause: error });
    }
  });
}

function helpOf(): string {
  const lines = Array.from(ACTIONS, ([name, { description }]) => {
    return `  ${name.padEnd(8)} ${description}\n`;
  });
  const command = `${commandName()} schedules`;
  return `Usage: ${command} <action> [options] --broker URL | module[:broker] [modules…]\n\n` +
    `Manages the schedules of periodic actors.\n\nActions:\n${lines.join("")}\n` +
    `${command} <action> --help says more.\n`;
}

async function list({ control, options, print, note }: ControlTask): Promise<void> {
  const schedules = await named(control, options.name);
  if (schedules.length === 0) note("There are no schedules");
  for (const one of schedules) {
    const times = one.cron === undefined ? `every ${one.every} ms` : `${one.cron} ${one.timeZone}`;
    const state = one.paused
      ? `paused${one.reason === undefined ? "" : `: ${one.reason}`}`
      : one.isAlive
      ? `next ${timeOf(one.nextAt)}`
      : "no worker fires it";
    const last = one.lastAt === undefined ? "never sent" : `last ${timeOf(one.lastAt)}`;
    const line = `${one.name}  ${one.actorName}  ${times}  ${state}  ${last}`;
    print(line, { ...one });
  }
}

async function pause({ control, options, print }: ControlTask): Promise<void> {
  const { dryRun, reason, yes } = options;
  const schedules = await chosen(control, options, "pause");
  if (options.all && !yes && !dryRun) {
    throw new UsageError("Cannot pause all schedules without --yes");
  }
  for (const { name } of schedules) {
    if (!dryRun) await control.pauseSchedule(name, reason === undefined ? {} : { reason });
    const verb = dryRun ? "Would pause" : "Paused";
    print(`${verb} schedule ${name}`, { name, dryRun: !!dryRun });
  }
}

async function resume({ control, options, print }: ControlTask): Promise<void> {
  const { dryRun } = options;
  for (const { name, paused } of await chosen(control, options, "resume")) {
    const wasPaused = dryRun ? paused : await control.resumeSchedule(name);
    const verb = dryRun ? "Would resume" : "Resumed";
    const line = wasPaused ? `${verb} schedule ${name}` : `Schedule ${name} is not paused`;
    print(line, { name, wasPaused, dryRun: !!dryRun });
  }
}

async function trigger({ control, options, print }: ControlTask): Promise<void> {
  const { dryRun } = options;
  for (const { name, actorName } of await chosen(control, options, "trigger")) {
    const messageId = dryRun ? undefined : (await control.trigger(name)).messageId;
    const line = dryRun
      ? `Would send a message to ${actorName} for schedule ${name}`
      : `Sent message ${messageId} to ${actorName} for schedule ${name}`;
    print(line, { name, actorName, messageId, dryRun: !!dryRun });
  }
}

/** The schedules with the given names, or all. */
async function named(
  control: Control,
  names: readonly string[] | undefined,
): Promise<ScheduleReport[]> {
  const all = await control.schedules();
  if (names === undefined) return all;
  return [...new Set(names)].map((name) => {
    const found = all.find((one) => one.name === name);
    if (found !== undefined) return found;
    const known = all.map((one) => one.name).join(", ") || "none";
    // Whoever may write to the broker chooses the names of schedules.
    throw new UsageError(escapeText(
      `Cannot find schedule "${name}": no worker that is alive declares it; known are ${known}`,
    ));
  });
}

async function chosen(
  control: Control,
  { name, all }: ControlTask["options"],
  purpose: string,
): Promise<ScheduleReport[]> {
  if ((name === undefined) === (all === undefined)) {
    const choice = purpose === "trigger" ? "with --name" : "with --name, or give --all";
    throw new UsageError(`Cannot ${purpose} schedules: name them ${choice}`);
  }
  return await named(control, name);
}

function timeOf(time: number | undefined): string {
  return time === undefined ? "never" : isoTime(time) ?? String(time);
}
