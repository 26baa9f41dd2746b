import { Command } from "commander";
import type { Broker } from "../core/broker.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { OK } from "./exit_codes.ts";
import { loadModules } from "./load_modules.ts";
import type { Program } from "./program.ts";
import { writeAll } from "./output.ts";
import { parseCommand } from "./parse_command.ts";
import { UsageError } from "./usage_error.ts";
import { counted } from "../platform/counted.ts";
import { commandName } from "./command_name.ts";

const STANDARD_OUTPUT = 1;

/** Parsed command line. */
interface RestoreArguments {
  readonly modules: readonly string[];
  /** Empty for all queues that the modules declare. */
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
  const { broker } = await loadModules(parsed.modules);
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
  for (const queueName of queuesOf(broker, args)) {
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
function queuesOf(broker: Broker, { queues }: RestoreArguments): readonly string[] {
  const declared = [...broker.queues];
  if (queues.length === 0) return declared;
  const named = [...new Set(queues.map(canonicalQueueName))];
  for (const queueName of named) {
    if (broker.queues.has(queueName)) continue;
    const known = declared.length === 0 ? "none" : declared.join(", ");
    throw new UsageError(
      `Cannot restore the delayed messages of "${queueName}": the modules declare no such queue, ` +
        `but ${known}`,
    );
  }
  return named;
}

function parseRestoreArguments(
  args: readonly string[],
  program: Program,
): RestoreArguments | string {
  const command = makeCommand();
  const isCommandLine = program.modules.length === 0 && !program.declaresActors;
  const help = parseCommand(command, args);
  if (help !== undefined) return help;
  if (command.args.length === 0 && isCommandLine) {
    throw new UsageError(
      "Cannot restore delayed messages: name the module that declares the broker, as for a worker",
    );
  }
  const { queue = [] } = command.opts<{ queue?: string[] }>();
  return { modules: [...program.modules, ...command.args], queues: queue };
}

function makeCommand(): Command {
  return new Command(`${commandName()} restore-delayed`)
    .usage("[options] module[:broker] [modules…]")
    .description(
      "Returns delayed messages on Redis to where Python workers find them, in the order of their " +
        "etas. The last worker of this library does so when it stops; run this if it was killed and " +
        "no other will start. Queues that a worker still serves are not changed.",
    )
    .argument("[modules...]")
    .option(
      "-Q, --queue <name>",
      "of this queue; repeatable (default: all)",
      (value: string, previous: string[] = []) => [...previous, value],
    )
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 2 wrong arguments, a module that does not import, or a broker other\n" +
        "than Redis, 3 the broker cannot be reached.\n",
    );
}
