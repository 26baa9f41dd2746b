import { Control } from "../../control/control.ts";
import type { WorkerReport } from "../../core/inspection_reports.ts";
import { escapeText } from "../../platform/escape.ts";
import { type Console, STANDARD_CONSOLE } from "../console.ts";
import { collect } from "../control/arguments.ts";
import { controlOf } from "../control/run.ts";
import { OK } from "../exit_codes.ts";
import type { Program } from "../program.ts";
import { formatDuration } from "../status.ts";
import { UsageError } from "../usage_error.ts";
import { isoTime } from "../iso_time.ts";
import {
  type Action,
  type BrokerTask,
  type CommonOptions,
  makeInspectCommand,
  runAction,
  runOnBroker,
} from "./run.ts";
import { type Column, formatCount, formatTable } from "./table.ts";

const EXIT_CODES =
  "0 done, 2 wrong arguments, an unknown worker, a module that does not import, or\n" +
  "something that the broker does not support, 3 the broker cannot be reached.";
const MEGABYTE = 2 ** 20;
const MAX_NAME = 40;

/** Options of `workers`. */
interface WorkersOptions extends CommonOptions {
  readonly worker?: readonly string[];
  readonly all?: true;
  readonly reason?: string;
  readonly dryRun?: true;
}

type Task = BrokerTask<WorkersOptions>;

const ACTIONS: ReadonlyMap<string, Action> = /* @__PURE__ */ new Map<string, Action>([
  ["list", { summary: "lists the live workers", run: runList }],
  ["quiet", {
    summary: "tells workers to start no more messages, and to finish the running ones",
    run: (...args) => runChange("quiet", ...args),
  }],
  ["resume", {
    summary: "tells quiet workers to continue",
    run: (...args) => runChange("resume", ...args),
  }],
]);

/**
 * Runs `worker.ts workers`. Without an action it lists them.
 *
 * @param args The arguments after `workers`.
 * @param program This program.
 * @param console The console.
 * @returns The exit code.
 */
export async function runWorkers(
  args: readonly string[],
  program: Program,
  console: Console = STANDARD_CONSOLE,
): Promise<number> {
  const [first = "list"] = args;
  const isAction = ACTIONS.has(first) || first === "--help" || first === "-h";
  if (isAction && args.length > 0) {
    return await runAction("workers", ACTIONS, args, program, console);
  }
  return await runList(args, program, console);
}

function runList(args: readonly string[], program: Program, console: Console): Promise<number> {
  const command = makeInspectCommand(
    "workers list",
    "Lists the live workers in the order in which they started.",
    EXIT_CODES,
  );
  return runOnBroker<WorkersOptions>(command, args, program, console, async (task) => {
    const { options, printJson } = task;
    const workers = await reportsOf(task);
    if (options.json) { for (const worker of workers) printJson(toJson(worker)); }
    else if (workers.length > 0) console.print(format(workers, console.columns));
    else console.note("There are no workers\n");
    return OK;
  });
}

/** Reads workers through the inspector; without one, from the control store. */
async function reportsOf({ broker, inspector }: Task): Promise<WorkerReport[]> {
  if (inspector?.abilities.has("workers")) return await inspector.workers();
  return await controlOf(() => new Control(broker)).workers();
}

function format(workers: readonly WorkerReport[], width: number | undefined): string {
  const columns: Column[] = [
    { title: "ID" },
    { title: "HOST", width: MAX_NAME },
    { title: "PID", isNumber: true },
    { title: "STATE" },
    { title: "RUNNING" },
    { title: "UP", isNumber: true },
    { title: "SEEN", isNumber: true },
    { title: "MEMORY", isNumber: true },
    { title: "RUNTIME" },
    { title: "QUEUES" },
  ];
  const latest = Math.max(...workers.map(({ seenAt }) => seenAt));
  const rows = workers.map((worker) => {
    const { id, host, pid, hasReport, state, running, concurrency, bootedAt, seenAt, rss } = worker;
    if (!hasReport) {
      return [id, "?", "?", "no report", "?", "?", `${ago(latest - seenAt)}`, "?", "?", "?"];
    }
    return [
      id,
      host ?? "?",
      String(pid),
      state,
      `${running} of ${concurrency} running`,
      formatDuration(Math.max(0, seenAt - bootedAt)),
      ago(latest - seenAt),
      rss === undefined ? "?" : `${formatCount(Math.round(rss / MEGABYTE))} MiB`,
      worker.runtime ?? "?",
      worker.queues.join(", "),
    ];
  });
  return formatTable(columns, rows, width);
}

function ago(ms: number): string {
  return ms < 1_000 ? "now" : `${formatDuration(ms)} ago`;
}

function toJson(worker: WorkerReport): Record<string, unknown> {
  const { bootedAt, seenAt, messages, ...others } = worker;
  return {
    ...others,
    bootedAt: isoTime(bootedAt),
    seenAt: isoTime(seenAt),
    messages: messages.map(({ since, ...message }) => ({ ...message, since: isoTime(since) })),
  };
}

function runChange(
  name: "quiet" | "resume",
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  const description = name === "quiet"
    ? "Tells workers to start no more messages, and to finish the running ones. They do not end."
    : "Tells quiet workers to continue.";
  const command = makeInspectCommand(`workers ${name}`, description, EXIT_CODES)
    .option("-W, --worker <id>", "the worker whose id begins with this; repeatable", collect)
    .option("--all", "all live workers")
    .option("--dry-run", "print what would be done, and do nothing");
  if (name === "quiet") command.option("--reason <text>", "the reason, for the log of the worker");
  return runOnBroker<WorkersOptions>(command, args, program, console, (task) => change(name, task));
}

async function change(name: "quiet" | "resume", task: Task): Promise<number> {
  const { broker, options, console, printJson } = task;
  const control = controlOf(() => new Control(broker));
  const verb = name === "quiet" ? ["Quieted", "Would quiet"] : ["Resumed", "Would resume"];
  for (const { id, host, pid } of await chosen(name, task)) {
    if (!options.dryRun) {
      if (name === "resume") await control.resume({ worker: id });
      else {
        const { reason } = options;
        await control.pause({ worker: id }, reason === undefined ? {} : { reason });
      }
    }
    if (options.json) printJson({ worker: id, action: name, dryRun: !!options.dryRun });
    else {
      const text = `${verb[options.dryRun ? 1 : 0]} worker ${id} (${host ?? "?"} ${pid})`;
      console.print(`${escapeText(text)}\n`);
    }
  }
  return OK;
}

/** The workers with the given id prefixes, or all. */
async function chosen(
  name: string,
  task: Task,
): Promise<readonly WorkerReport[]> {
  const { worker: prefixes, all } = task.options;
  if ((prefixes === undefined) === (all === undefined)) {
    throw new UsageError(`Cannot ${name} workers: name them with --worker, or give --all`);
  }
  const reporting = (await reportsOf(task)).filter(({ hasReport }) => hasReport);
  if (prefixes === undefined) return reporting;
  return [...new Set(prefixes)].map((prefix) => {
    const found = reporting.filter(({ id }) => id.startsWith(prefix));
    if (found.length === 1) return found[0]!;
    const known = reporting.map(({ id }) => id).join(", ") || "none";
    throw new UsageError(
      escapeText(
        `Cannot ${name} worker "${prefix}": ${found.length} workers have an id that begins with it; ` +
          `live workers are ${known}`,
      ),
    );
  });
}
