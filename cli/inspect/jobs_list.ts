import { Option } from "commander";
import type { InspectedMessage, MessageQuery } from "../../core/inspection.ts";
import type { Console } from "../console.ts";
import { OK } from "../exit_codes.ts";
import type { Program } from "../program.ts";
import { isoTime } from "../iso_time.ts";
import {
  addFilters,
  countOf,
  filtersOf,
  type JobsOptions,
  noteNoMessages,
  queuesOf,
  STATES,
} from "./jobs_options.ts";
import { actorOf, errorOf, formatMessages, messageToJson, timeOf } from "./messages.ts";
import { type InspectTask, makeInspectCommand, runInspect } from "./run.ts";
import { type Column, formatCount, formatTable, formatTime } from "./table.ts";

const EXIT_CODES = "0 done, 2 wrong arguments, a module that does not import, or something that\n" +
  "the broker does not support, 3 the broker cannot be reached.";
/** Number of messages per page. */
const PAGE_SIZE = 200;
/** Default maximum of messages to list. */
const LIMIT = 50;
/** Default maximum of messages to read. */
const SCAN = 2_000;
/** Maximum of messages that a page with a filter may read. */
const MAX_SCAN = 2_000;
const MAX_NAME = 40;

/** Messages that were read from one queue. */
interface Found {
  readonly queueName: string;
  readonly messages: readonly InspectedMessage[];
  readonly scanned: number;
  readonly total: number | undefined;
  /** True if more messages could match. */
  readonly hasMore: boolean;
}

/** Runs `jobs list`. */
export function runJobsList(
  args: readonly string[],
  program: Program,
  console: Console,
): Promise<number> {
  const command = addFilters(
    makeInspectCommand(
      "jobs list",
      "Lists messages of queues, or counts them by error or actor.",
      EXIT_CODES,
    ),
    STATES,
  )
    .addOption(
      new Option("--group <by>", "count messages with the same error or actor").choices([
        "error",
        "actor",
      ]),
    )
    .addOption(
      new Option("--order <order>", "default: newest first for dead letters, else oldest")
        .choices(["oldest", "newest"]),
    )
    .option("-n, --limit <n>", `list at most this many (default: ${LIMIT})`, countOf("--limit"))
    .option(
      "--scan <n>",
      `read at most this many of each queue (default: ${SCAN})`,
      countOf("--scan"),
    );
  return runInspect<JobsOptions>(command, args, program, console, list);
}

async function list(task: InspectTask<JobsOptions>): Promise<number> {
  const { group, limit = LIMIT, state = "dead" } = task.options;
  const found: Found[] = [];
  let left = group === undefined ? limit : Infinity;
  for (const queueName of await queuesOf(task)) {
    if (left <= 0) break;
    const one = await read(task, queueName, left);
    found.push(one);
    left -= one.messages.length;
  }
  const messages = found.flatMap((one) => one.messages);
  if (group !== undefined) printGroups(task, messages, group, limit);
  else if (task.options.json) { for (const one of messages) task.printJson(messageToJson(one)); }
  else if (messages.length > 0) {
    const { columns: width } = task.console;
    const isUtc = task.options.utc === true;
    task.console.print(formatMessages(messages, state, { isUtc, width }));
  }
  const hasMore = found.some((one) => one.hasMore);
  if (messages.length === 0 && !hasMore) await noteNoMessages(task);
  for (const one of found) if (one.hasMore) task.console.note(noteOf(one, task.options));
  return OK;
}

async function read(
  { inspector, options }: InspectTask<JobsOptions>,
  queueName: string,
  limit: number,
): Promise<Found> {
  const { state = "dead", order, scan = SCAN } = options;
  const messages: InspectedMessage[] = [];
  let [scanned, total, after]: [number, number | undefined, string | undefined] = [
    0,
    undefined,
    undefined,
  ];
  do {
    const wanted = Math.min(PAGE_SIZE, limit - messages.length, scan - scanned);
    const query: MessageQuery = {
      ...{ queueName, state, ...filtersOf(options), limit: wanted },
      scan: Math.min(MAX_SCAN, scan - scanned),
      ...(order !== undefined && { order }),
      ...(after !== undefined && { after }),
    };
    const page = await inspector.list(query);
    messages.push(...page.messages);
    scanned += page.scanned;
    ({ total, next: after } = page);
  } while (after !== undefined && messages.length < limit && scanned < scan);
  return { queueName, messages, scanned, total, hasMore: after !== undefined };
}

function noteOf({ queueName, messages, scanned, total }: Found, options: JobsOptions): string {
  const { state = "dead", order = state === "dead" ? "newest" : "oldest" } = options;
  const end = state === "ready" ? "first" : order;
  const all = total === undefined ? "" : ` of ${formatCount(total)}`;
  const more = options.group === undefined ? "-n and --scan read more" : "--scan reads more";
  return `${queueName}: ${formatCount(messages.length)} in the ${end} ${
    formatCount(scanned)
  }${all}; ${more}\n`;
}

/** Messages with the same actor and error. */
interface Group {
  readonly actor: string;
  readonly error: string;
  count: number;
  first: number | undefined;
  last: number | undefined;
}

function printGroups(
  { options, console, printJson }: InspectTask<JobsOptions>,
  messages: readonly InspectedMessage[],
  by: "error" | "actor",
  limit: number,
): void {
  const groups = new Map<string, Group>();
  for (const one of messages) {
    const [actor, error] = [actorOf(one), by === "error" ? errorOf(one) : ""];
    const key = JSON.stringify([actor, error]);
    const time = timeOf(one);
    const group = groups.get(key) ?? { actor, error, count: 0, first: time, last: time };
    group.count += 1;
    if (time !== undefined) {
      group.first = Math.min(group.first ?? time, time);
      group.last = Math.max(group.last ?? time, time);
    }
    groups.set(key, group);
  }
  const shown = [...groups.values()].toSorted((a, b) => b.count - a.count).slice(0, limit);
  if (options.json) {
    for (const { actor, error, count, first, last } of shown) {
      printJson({ actor, error, count, first: isoTime(first), last: isoTime(last) });
    }
    return;
  }
  if (shown.length === 0) return;
  const columns: Column[] = [
    { title: "COUNT", isNumber: true },
    { title: "ACTOR", width: MAX_NAME, isName: true },
    { title: "FIRST" },
    { title: "LAST" },
    { title: "ERROR" },
  ];
  const isUtc = options.utc === true;
  const rows = shown.map(({ actor, error, count, first, last }) => [
    formatCount(count),
    actor,
    formatTime(first, isUtc),
    formatTime(last, isUtc),
    error,
  ]);
  console.print(formatTable(columns, rows, console.columns));
}
