import { Command } from "commander";
import type { Broker } from "../core/broker.ts";
import { escapeText } from "../platform/escape.ts";
import {
  addBrokerOption,
  type BrokerSource,
  openBroker,
  parseBrokerSource,
} from "./broker_source.ts";
import { OK } from "./exit_codes.ts";
import { assertDeclared, collectQueue, findQueues } from "./named_queues.ts";
import type { Program } from "./program.ts";
import { writeAll } from "./output.ts";
import { UsageError } from "./usage_error.ts";
import { counted } from "../platform/counted.ts";
import { commandName } from "./command_name.ts";

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;

/** Parsed command line. */
interface RestoreArguments {
  readonly source: BrokerSource;
  /** Empty for all queues that the modules declare, or that the broker lists. */
  readonly queues: readonly string[];
}

/** A broker that can return delayed messages to keys that workers in Python read. */
interface RestoringBroker extends Broker {
  restoreDelayed(queueName: string): Promise<{ restored: number; workers: number }>;
}

/**
 * Runs `worker.ts restore-delayed`.
 *
 * @param args The arguments after `restore-delayed`.
 * @param program This program.
 * @returns The exit code.
 * @throws {UsageError} If the arguments are invalid, a module cannot be imported, or the broker
 *   does not support it.
 * @throws {BrokerConnectionError} If the broker cannot be reached.
 */
export async function runRestoreDelayed(
  args: readonly string[],
  program: Program,
): Promise<number> {
  const parsed = parseRestoreArguments(args, program);
  if (typeof parsed === "string") {
    writeAll(STANDARD_OUTPUT, parsed);
    return OK;
  }
  const broker = await openBroker(parsed.source);
  try {
    await restore(broker, parsed);
  } finally {
    await broker.close();
  }
  return OK;
}

async function restore(broker: Broker, args: RestoreArguments): Promise<void> {
  if (!canRestore(broker)) {
    throw new UsageError(
      `Cannot restore delayed messages: it is for Redis only, not for ${broker.constructor.name}`,
    );
  }
  for (const queueName of await queuesOf(broker, args)) {
    const { restored, workers } = await broker.restoreDelayed(queueName);
    writeAll(STANDARD_OUTPUT, `${summary(queueName, restored, workers)}\n`);
  }
}

function summary(queueName: string, restored: number, workers: number): string {
  const text = `Restored ${restored} delayed ${counted(restored, "message(s)")} of ${queueName}`;
  if (workers === 0) return text;
  const who = workers === 1 ? "a worker of this library serves" : `${workers} workers serve`;
  return `${text}: ${who} the queue and will run the delayed messages`;
}

function canRestore(broker: Broker): broker is RestoringBroker {
  return typeof (broker as Partial<RestoringBroker>).restoreDelayed === "function";
}

/** @throws {UsageError} If the modules do not declare a given queue. */
async function queuesOf(
  broker: Broker,
  { source, queues }: RestoreArguments,
): Promise<readonly string[]> {
  if ("modules" in source) {
    assertDeclared(broker.queues, queues, "restore the delayed messages of");
    return queues.length === 0 ? [...broker.queues] : queues;
  }
  const { queues: found, note } = await findQueues(broker, queues);
  if (note !== undefined) writeAll(STANDARD_ERROR, `${escapeText(note)}\n`);
  return found.map(({ queueName }) => queueName);
}

function parseRestoreArguments(
  args: readonly string[],
  program: Program,
): RestoreArguments | string {
  const command = makeCommand();
  const source = parseBrokerSource(command, args, program, "restore delayed messages");
  if (typeof source === "string") return source;
  const { queue = [] } = command.opts<{ queue?: string[] }>();
  return { source, queues: queue };
}

function makeCommand(): Command {
  return addBrokerOption(new Command(`${commandName()} restore-delayed`))
    .usage("[options] --broker URL | module[:broker] [modules…]")
    .description(
      "Returns delayed messages on Redis to where Python workers find them, in the order of their " +
        "etas. The last worker of this library does so when it stops; run this if it was killed and " +
        "no other will start. Queues that a worker still serves are not changed.",
    )
    .argument("[modules...]")
    .option("-Q, --queue <name>", "of this queue; repeatable (default: all)", collectQueue)
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 2 wrong arguments, a module that does not import, or a broker other\n" +
        "than Redis, 3 the broker cannot be reached.\n",
    );
}
