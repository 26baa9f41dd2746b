import type { Command } from "commander";
import { Control } from "../../control/control.ts";
import type { Broker } from "../../core/broker.ts";
import type { Inspector } from "../../core/inspection.ts";
import { inspectorOf } from "../../core/inspector_of.ts";
import { escapeText } from "../../platform/escape.ts";
import { openBroker } from "../broker_source.ts";
import { OK } from "../exit_codes.ts";
import { jsonLine, withIsoTimes } from "../json_line.ts";
import { writeAll } from "../output.ts";
import type { Program } from "../program.ts";
import { assertDeclared } from "../named_queues.ts";
import { describeUnknownQueues } from "../unknown_queues.ts";
import { UsageError } from "../usage_error.ts";
import { type ControlOptions, parseControlArguments } from "./arguments.ts";

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;

/** Context of a command. */
export interface ControlTask {
  readonly control: Control;
  /** `undefined` if the broker has none. */
  readonly inspector: Inspector | undefined;
  readonly options: ControlOptions;
  /**
   * Prints a line.
   *
   * @param line The line for people, which is escaped: names and reasons come from the broker.
   * @param json The object that is printed instead with `--json`; times in milliseconds since the
   *   epoch.
   */
  print(line: string, json: Readonly<Record<string, unknown>>): void;
  /** Prints a note to the standard error. */
  note(line: string): void;
  /** Prints a warning to the standard error. */
  warn(line: string): void;
  /**
   * The queues of the options.
   *
   * @param purpose Completes the sentence "Cannot …".
   * @throws {UsageError} If there are none, or the modules do not declare one of them.
   */
  queues(purpose: string): readonly string[];
  /** Warns of queues that the broker does not know, where it tells which it has. */
  warnOfUnknown(queueNames: readonly string[]): Promise<void>;
}

/**
 * Runs a command that controls workers.
 *
 * @param command The command.
 * @param args The arguments after its name.
 * @param program This program.
 * @param work The implementation.
 * @returns The exit code.
 * @throws {UsageError} If the arguments are invalid, or a module cannot be imported.
 * @throws {BrokerConnectionError} If the control store cannot be reached.
 */
export async function runControl(
  command: Command,
  args: readonly string[],
  program: Program,
  work: (task: ControlTask) => Promise<void>,
): Promise<number> {
  const parsed = parseControlArguments(command, args, program);
  if (typeof parsed === "string") {
    writeAll(STANDARD_OUTPUT, parsed);
    return OK;
  }
  const { options, source } = parsed;
  const broker = await openBroker(source);
  const warn = (line: string) => writeAll(STANDARD_ERROR, `Warning: ${escapeText(line)}\n`);
  const inspector = openInspector(broker);
  try {
    await work({
      control: controlOf(() => new Control(broker)),
      inspector,
      options,
      print: (line, json) =>
        writeAll(
          STANDARD_OUTPUT,
          options.json ? jsonLine(withIsoTimes(json)) : `${escapeText(line)}\n`,
        ),
      note: (line) => writeAll(STANDARD_ERROR, `${escapeText(line)}\n`),
      warn,
      warnOfUnknown: async (queueNames) => {
        const text = await describeUnknown(inspector, queueNames);
        if (text !== undefined) warn(text);
      },
      queues: (purpose) => queuesOf("url" in source ? undefined : broker.queues, options, purpose),
    });
  } finally {
    await inspector?.[Symbol.asyncDispose]();
    await broker.close();
  }
  return OK;
}

/** Opens an inspector, which connects when it is first used. No command needs it to do its work. */
function openInspector(broker: Broker): Inspector | undefined {
  try {
    return inspectorOf(broker);
  } catch {
    return undefined;
  }
}

/** Returns nothing for a broker that may be controlled but not inspected. */
async function describeUnknown(
  inspector: Inspector | undefined,
  queueNames: readonly string[],
): Promise<string | undefined> {
  if (inspector === undefined || queueNames.length === 0) return undefined;
  try {
    return await describeUnknownQueues(inspector, queueNames);
  } catch {
    return undefined;
  }
}

/**
 * Makes a `Control`.
 *
 * @throws {UsageError} If the broker has no control store.
 */
export function controlOf(make: () => Control): Control {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

function queuesOf(
  declared: ReadonlySet<string> | undefined,
  { queue = [] }: ControlOptions,
  purpose: string,
): readonly string[] {
  if (queue.length === 0) throw new UsageError(`Cannot ${purpose}: name the queue, with --queue`);
  if (declared !== undefined) assertDeclared(declared, queue, purpose);
  return queue;
}
