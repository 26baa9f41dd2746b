import { Command } from "commander";
import { Control } from "../../control/control.ts";
import type { Broker } from "../../core/broker.ts";
import type { Inspector } from "../../core/inspection.ts";
import { NotSupported } from "../../core/inspection_error.ts";
import { inspectorOf } from "../../core/inspector_of.ts";
import { escapeText } from "../../platform/escape.ts";
import { addBrokerOption, openBroker, parseBrokerSource } from "../broker_source.ts";
import { type Console, STANDARD_CONSOLE } from "../console.ts";
import { OK } from "../exit_codes.ts";
import { jsonLine, SCHEMA } from "../json_line.ts";
import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";
import { commandName } from "../command_name.ts";

/** Options of all commands. */
export interface CommonOptions {
  readonly json?: true;
  readonly utc?: true;
}

/** Context of a command on a broker, with or without an inspector. */
export interface BrokerTask<Options extends CommonOptions = CommonOptions> {
  readonly broker: Broker;
  /** `undefined` if the broker has none. */
  readonly inspector: Inspector | undefined;
  /** `undefined` if the broker has no control store. */
  readonly control: Control | undefined;
  readonly options: Options;
  readonly console: Console;
  /** Prints one object for programs. */
  printJson(value: Readonly<Record<string, unknown>>): void;
}

/** Context of a command that inspects a broker. */
export interface InspectTask<Options extends CommonOptions = CommonOptions>
  extends BrokerTask<Options> {
  readonly inspector: Inspector;
}

/** An action of a command, such as `list`. */
export interface Action {
  readonly summary: string;
  /**
   * Runs the action.
   *
   * @param args The arguments after its name.
   * @returns The exit code.
   */
  run(args: readonly string[], program: Program, console: Console): Promise<number>;
}

/**
 * Runs an action of a command.
 *
 * @param noun Name of the command.
 * @param actions Its actions, by name.
 * @param args The arguments after the name of the command.
 * @param program This program.
 * @param console The console.
 * @returns The exit code.
 * @throws {UsageError} If the action is unknown.
 */
export async function runAction(
  noun: string,
  actions: ReadonlyMap<string, Action>,
  args: readonly string[],
  program: Program,
  console: Console = STANDARD_CONSOLE,
): Promise<number> {
  const [name = "", ...others] = args;
  if (name === "--help" || name === "-h") {
    const width = Math.max(...Array.from(actions.keys(), ({ length }) => length));
    const lines = Array.from(
      actions,
      ([one, { summary }]) => `  ${one.padEnd(width)}  ${summary}\n`,
    );
    console.print(
      `Usage: ${commandName()} ${noun} <action> [options] --broker URL | module[:broker] [modules…]\n\n` +
        `Actions:\n${lines.join("")}\n${commandName()} ${noun} <action> --help says more.\n`,
    );
    return OK;
  }
  const action = actions.get(name);
  if (action !== undefined) return await action.run(others, program, console);
  const names = [...actions.keys()].join(", ");
  throw new UsageError(
    name === ""
      ? `Cannot run ${noun} without an action: name one of ${names}; ${commandName()} ${noun} --help says more`
      : `Cannot run ${noun} with action "${name}": it must be one of ${names}`,
  );
}

/** Makes a command with the options of all commands. */
export function makeInspectCommand(name: string, description: string, exitCodes: string): Command {
  return addBrokerOption(new Command(`${commandName()} ${name}`))
    .usage("[options] --broker URL | module[:broker] [modules…]")
    .description(description)
    .argument("[modules...]")
    .option("--json", `print one JSON object a line, with "schema": ${SCHEMA}`)
    .option("--utc", "show times in UTC")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `\nExit codes: ${exitCodes}\n`);
}

/**
 * Runs a command that inspects a broker: see {@linkcode runOnBroker}.
 *
 * @throws {UsageError} If the broker cannot be inspected.
 */
export function runInspect<Options extends CommonOptions>(
  command: Command,
  args: readonly string[],
  program: Program,
  console: Console,
  work: (task: InspectTask<Options>) => Promise<number>,
): Promise<number> {
  return runOnBroker<Options>(command, args, program, console, async (task) => {
    const { inspector } = task;
    if (inspector !== undefined) return await work({ ...task, inspector });
    throw new UsageError(
      `Cannot inspect the broker: ${task.broker.constructor.name} does not support it`,
    );
  });
}

/**
 * Runs a command on a broker.
 *
 * @param command The command.
 * @param args The arguments after its name.
 * @param program This program.
 * @param console The console.
 * @param work The implementation, which returns the exit code.
 * @throws {UsageError} If the arguments are invalid, or the broker does not support the command.
 * @throws {BrokerConnectionError} If the broker cannot be reached.
 */
export async function runOnBroker<Options extends CommonOptions>(
  command: Command,
  args: readonly string[],
  program: Program,
  console: Console,
  work: (task: BrokerTask<Options>) => Promise<number>,
): Promise<number> {
  const source = parseBrokerSource(command, args, program, "inspect a broker");
  if (typeof source === "string") {
    console.print(source);
    return OK;
  }
  const broker = await openBroker(source);
  const options: Options = command.opts();
  try {
    const inspector = inspectorOf(broker);
    const control = broker.controlStore === undefined ? undefined : new Control(broker);
    try {
      return await work({
        ...{ broker, inspector, control, options, console },
        printJson: (value) => console.print(jsonLine(value)),
      });
    } finally {
      await inspector?.[Symbol.asyncDispose]();
    }
  } catch (error) {
    throw error instanceof NotSupported
      ? new UsageError(escapeText(error.message), { cause: error })
      : error;
  } finally {
    await broker.close();
  }
}
