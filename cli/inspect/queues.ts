import { Option } from "commander";
import type { Pause } from "../../control/pauses.ts";
import type { MessageState, QueueOverview } from "../../core/inspection.ts";
import type { HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import { escapeText } from "../../platform/escape.ts";
import type { Console } from "../console.ts";
import { KILLED, OK } from "../exit_codes.ts";
import type { Program } from "../program.ts";
import { formatDuration } from "../status.ts";
import { collectQueue } from "../named_queues.ts";
import { noteUnknownQueues } from "../unknown_queues.ts";
import { UsageError } from "../usage_error.ts";
import { isoTime } from "../iso_time.ts";
import { confirm, currentUser } from "./confirm.ts";
import {
  type Action,
  type CommonOptions,
  type InspectTask,
  makeInspectCommand,
  runAction,
  runInspect,
} from "./run.ts";
import { type Column, formatCount, formatTable, formatTime } from "./table.ts";
import { counted } from "../../platform/counted.ts";

const EXIT_CODES =
  "0 done, 1 not confirmed, 2 wrong arguments, a module that does not import, or\n" +
  "something that the broker does not support, 3 the broker cannot be reached.";

/** Minutes of history: the last whole one, and the current one. */
const MINUTES = 2;

/** Options of `queues`. */
interface QueuesOptions extends CommonOptions {
  readonly queue?: readonly string[];
  readonly state?: Exclude<MessageState, "unacknowledged">;
  readonly discover?: true;
  readonly dryRun?: true;
  readonly yes?: true;
}

type Task = InspectTask<QueuesOptions>;

const ACTIONS: ReadonlyMap<string, Action> = /* @__PURE__ */ new Map<string, Action>([
  ["list", { summary: "lists queues with their numbers of messages", run: runList }],
  ["pause", {
    summary: "pauses queues on all workers, like the command pause",
    async run(args, program) {
      const { runPause } = await import("../control/pause.ts");
      return await runPause(args, program);
    },
  }],
  ["resume", {
    summary: "resumes queues on all workers, like the command resume",
    async run(args, program) {
      const { runResume } = await import("../control/pause.ts");
      return await runResume(args, program);
    },
  }],
  ["purge", { summary: "drops all messages of a queue in one state", run: runPurge }],
]);

/**
 * Runs `worker.ts queues`.
 *
 * @param args The arguments after `queues`.
 * @param program This program.
 * @param console The console.
 * @returns The exit code.
 */
export function runQueues(
  args: readonly string[],
  program: Program,
  console?: Console,
): Promise<number> {
  return runAction("queues", ACTIONS, args, program, console);
}

function runList(args: readonly string[], program: Program, console: Console): Promise<number> {
  const command = makeInspectCommand(
    "queues list",
    "Lists queues with their numbers of messages, and how long the first one has been waiting.",
    EXIT_CODES,
  )
    .option("-Q, --queue <name>", "this queue; repeatable (default: all)", collectQueue)
    .option("--discover", "also search for queues that are not registered, which takes longer");
  return runInspect<QueuesOptions>(command, args, program, console, list);
}

async function list(task: Task): Promise<number> {
  const { inspector, control, options, console, printJson } = task;
  const named = options.queue;
  const [{ queues, now, isPartial }, paused, workers, history] = await Promise.all([
    inspector.overview({ queueNames: named ?? [], discover: options.discover === true }),
    control?.paused() ?? [],
    inspector.abilities.has("workers") ? inspector.workers() : undefined,
    inspector.abilities.has("history") ? inspector.history(MINUTES) : undefined,
  ]);
  const shown = queues.filter(({ queueName }) => named?.includes(queueName) ?? true)
    .map((one) => ({ ...one, consumers: one.consumers ?? consumersOf(one.queueName, workers) }));
  const pauseOf = (queueName: string) => paused.find(({ queue }) => queue === queueName);
  if (options.json) {
    for (const one of shown) printJson(toJson(one, pauseOf(one.queueName)));
    return OK;
  }
  const columns: Column[] = [
    { title: "QUEUE", isName: true },
    ...["READY", "OLDEST", "DELAYED", "IN FLIGHT", "DEAD", "CONSUMERS"].map((title) => ({
      title,
      isNumber: true,
    })),
    { title: "STATE" },
  ];
  const rows = shown.map((one) => [
    one.queueName,
    formatCount(one.ready),
    one.headSince === undefined ? "-" : formatDuration(Math.max(0, now - one.headSince)),
    formatCount(one.delayed),
    formatCount(one.unacknowledged),
    formatCount(one.dead),
    formatCount(one.consumers),
    stateOf(one, pauseOf(one.queueName), options.utc === true),
  ]);
  if (rows.length > 0) console.print(formatTable(columns, rows, console.columns));
  else console.note("There are no queues yet: a queue exists once a message was sent to it\n");
  await noteUnknownQueues(task, named);
  if (isPartial) {
    console.note("There are more queues than are read at once; name others with --queue\n");
  }
  if (workers !== undefined) console.note(`${sumOf(workers)}${lastMinuteOf(history)}\n`);
  return OK;
}

function stateOf(
  { consumers }: QueueOverview,
  pause: Pause | undefined,
  isUtc: boolean,
): string {
  if (pause === undefined) return consumers === 0 ? "no workers" : "";
  const reason = pause.reason === undefined ? "" : `: ${pause.reason}`;
  return `paused since ${formatTime(pause.since, isUtc)}${reason}`;
}

/**
 * Number of workers that report a queue; `undefined` if only workers without reports may consume
 * it.
 */
function consumersOf(
  queueName: string,
  workers: readonly WorkerReport[] | undefined,
): number | undefined {
  if (workers === undefined) return undefined;
  const count = workers.filter(({ queues }) => queues.includes(queueName)).length;
  return count === 0 && workers.some(({ hasReport }) => !hasReport) ? undefined : count;
}

/** Slots of all workers with reports, and the number of workers without. */
function sumOf(workers: readonly WorkerReport[]): string {
  const reporting = workers.filter(({ hasReport }) => hasReport);
  const [slots, inUse] = [sum(reporting, "concurrency"), sum(reporting, "running")];
  const others = workers.length - reporting.length;
  const text = `${count(reporting.length, "worker reports", "workers report")} ` +
    `${count(slots, "slot", "slots")}, ${formatCount(inUse)} in use`;
  if (others === 0) return text;
  return `${text}; ${count(others, "worker has", "workers have")} a heartbeat and no report: ` +
    "in Python, or an older version";
}

/** Counts of the last whole minute. */
function lastMinuteOf(history: readonly HistoryMinute[] | undefined): string {
  if (history === undefined) return "";
  const counts = Object.values(history[0]?.actors ?? {});
  const total = (name: "done" | "failed" | "dead") =>
    formatCount(counts.reduce((sum, one) => sum + one[name], 0));
  return `; in the last minute ${total("done")} done, ${total("failed")} failed, ${
    total("dead")
  } dead`;
}

function sum(workers: readonly WorkerReport[], field: "concurrency" | "running"): number {
  return workers.reduce((total, worker) => total + worker[field], 0);
}

function count(number: number, one: string, many: string): string {
  return `${formatCount(number)} ${number === 1 ? one : many}`;
}

function toJson(one: QueueOverview, pause: Pause | undefined): Record<string, unknown> {
  return {
    queue: one.queueName,
    ready: one.ready ?? null,
    delayed: one.delayed ?? null,
    unacknowledged: one.unacknowledged ?? null,
    dead: one.dead ?? null,
    headSince: isoTime(one.headSince),
    consumers: one.consumers ?? null,
    paused: pause === undefined ? null : {
      since: isoTime(pause.since),
      until: isoTime(pause.until),
      reason: pause.reason ?? null,
    },
  };
}

function runPurge(args: readonly string[], program: Program, console: Console): Promise<number> {
  const command = makeInspectCommand(
    "queues purge",
    "Drops all messages of queues that are in one state. Messages that workers have fetched still run.",
    EXIT_CODES,
  )
    .option("-Q, --queue <name>", "this queue; repeatable", collectQueue)
    .addOption(
      new Option("--state <state>", "messages in this state").choices(["ready", "delayed", "dead"]),
    )
    .option("--dry-run", "print what would be dropped, and do nothing")
    .option("--yes", "do not ask for confirmation");
  return runInspect<QueuesOptions>(command, args, program, console, purge);
}

async function purge(task: Task): Promise<number> {
  const { inspector, options, console, printJson } = task;
  const { queue: queueNames, state } = options;
  if (queueNames === undefined) {
    throw new UsageError("Cannot purge queue: name the queue, with --queue");
  }
  if (state === undefined) {
    throw new UsageError(
      "Cannot purge queue: name the state, with --state: ready, delayed or dead",
    );
  }
  const { queues } = await inspector.overview({ queueNames });
  await noteUnknownQueues(task, queueNames);
  for (const queueName of queueNames) {
    const present = queues.find((one) => one.queueName === queueName)?.[state];
    const messages = (count?: number) => `${state} ${counted(count ?? 0, "message(s)")}`;
    const what = `${formatCount(present)} ${messages(present)} of ${queueName}`;
    const change = { what: `drop ${what}`, queueNames: [queueName], isFinal: true, count: present };
    if (!options.dryRun && !await confirm(console, options.yes === true, change)) return KILLED;
    const dropped = options.dryRun ? 0 : await inspector.purge(queueName, state);
    if (!options.dryRun) {
      const record = `${currentUser()} purged ${queueName}: ${dropped} ${
        messages(dropped)
      } dropped`;
      console.note(`${escapeText(record)}\n`);
    }
    if (options.json) {
      printJson({
        queue: queueName,
        state,
        present: present ?? null,
        dropped,
        dryRun: !!options.dryRun,
      });
    } else {
      const done = `Dropped ${formatCount(dropped)} ${messages(dropped)} of ${queueName}`;
      console.print(`${escapeText(options.dryRun ? `Would drop ${what}` : done)}\n`);
    }
  }
  return OK;
}
