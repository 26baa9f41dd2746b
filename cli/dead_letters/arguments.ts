import { Command } from "commander";
import { addBrokerOption, type BrokerSource, brokerSourceOf } from "../broker_source.ts";
import { COMMAND_LINE, type Program } from "../program.ts";
import { collectQueue } from "../named_queues.ts";
import { parseCommand } from "../parse_command.ts";
import { timeOf } from "../time_argument.ts";
import { UsageError } from "../usage_error.ts";
import { commandName } from "../command_name.ts";

/** Actions on dead letters. */
export type Action = "list" | "show" | "requeue" | "purge";

/** Parsed command line. */
export interface DeadLetterArguments {
  readonly action: Action;
  readonly source: BrokerSource;
  /** Empty for all queues that the modules declare, or that the broker lists. */
  readonly queues: readonly string[];
  readonly actors: readonly string[];
  /** Prefixes of message ids. */
  readonly ids: readonly string[];
  /** Earliest time of death, in milliseconds since the epoch. */
  readonly since: number | undefined;
  /** End of the range of times of death, exclusive. */
  readonly before: number | undefined;
  readonly limit: number;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
}

/** Options as parsed by commander. */
interface Given {
  queue?: string[];
  actor?: string[];
  id?: string[];
  since?: number;
  before?: number;
  limit?: number;
  dryRun?: true;
  json?: true;
}

const ACTIONS: readonly Action[] = ["list", "show", "requeue", "purge"];
/** Actions with side effects, which need `--queue`. */
const CHANGING: ReadonlySet<Action> = /* @__PURE__ */ new Set(["requeue", "purge"]);

/**
 * Parses the command line.
 *
 * @param args The arguments after `dead-letters`.
 * @param now The current time, for relative times.
 * @param program This program.
 * @returns The parsed command line, or the help to print.
 * @throws {UsageError} If the arguments are invalid.
 */
export function parseDeadLetterArguments(
  args: readonly string[],
  now: number,
  program: Program = COMMAND_LINE,
): DeadLetterArguments | string {
  if (args.length === 0) {
    throw new UsageError(
      `Cannot run dead-letters without an action: name one of ${ACTIONS.join(", ")}; ` +
        `${commandName()} dead-letters --help says more`,
    );
  }
  const command = makeCommand(now);
  const help = parseCommand(command, args);
  if (help !== undefined) return help;
  return complete(command, program);
}

function complete(command: Command, program: Program): DeadLetterArguments {
  const [action, ...named] = command.args;
  const given = command.opts<Given>();
  if (!ACTIONS.includes(action as Action)) {
    throw new UsageError(
      `Cannot run dead-letters with action "${action}": it must be one of ${ACTIONS.join(", ")}`,
    );
  }
  const source = brokerSourceOf(command, named, program, `${action} dead letters`);
  if (CHANGING.has(action as Action) && given.queue === undefined) {
    throw new UsageError(`Cannot ${action} dead letters: name the queue, with --queue`);
  }
  return {
    action: action as Action,
    source,
    queues: given.queue ?? [],
    actors: given.actor ?? [],
    ids: given.id ?? [],
    since: given.since,
    before: given.before,
    limit: given.limit ?? Infinity,
    isDryRun: given.dryRun ?? false,
    isJson: given.json ?? false,
  };
}

/** Text of `--help` after the options. */
function examplesOf(command: string): string {
  return `
Examples:
  ${command} list actors.ts
  ${command} show --queue default --id 5f1c actors.ts
  ${command} requeue --queue default --actor chargeCard --since 2h actors.ts
  ${command} purge --queue default --before 30d --dry-run actors.ts
  ${command} list --broker redis://10.0.0.5

Exit codes: 0 done, 1 stopped, or some could not be requeued, 2 wrong arguments or a module that
does not import, 3 the broker cannot be reached.
`;
}

function makeCommand(now: number): Command {
  return addBrokerOption(new Command(`${commandName()} dead-letters`))
    .usage("<action> [options] --broker URL | module[:broker] [modules…]")
    .description(
      "Manages dead letters: messages that failed for good or were cancelled.\n\n" +
        "Actions:\n" +
        "  list     one line for each\n" +
        "  show     all details: arguments, options, traceback\n" +
        "  requeue  puts them back on their queue, with all retries left\n" +
        "  purge    drops them",
    )
    .argument("[action]")
    .argument("[modules...]")
    .option("-Q, --queue <name>", "of this queue; repeatable (default: all)", collectQueue)
    .option("-A, --actor <name>", "for this actor; repeatable", collect)
    .option("--id <id>", "with a message id that begins with this; repeatable", collect)
    .option(
      "--since <time>",
      "that died at this time or later: a date, or a time ago such as 2h, 7d",
      timeOf("since", now, -1),
    )
    .option("--before <time>", "that died before this time", timeOf("before", now, -1))
    .option("-n, --limit <n>", "at most this many, the oldest first", limitOf)
    .option("--dry-run", "print what requeue or purge would do, and do nothing")
    .option("--json", "print one JSON object a line")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", examplesOf(`${commandName()} dead-letters`));
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(limit) && limit > 0) return limit;
  throw new UsageError(`Cannot use "${text}" for --limit: it must be a whole number of 1 or more`);
}
