import { Command } from "commander";
import { addBrokerOption, type BrokerSource, parseBrokerSource } from "../broker_source.ts";
import { SCHEMA } from "../json_line.ts";
import type { Program } from "../program.ts";
import { commandName } from "../command_name.ts";

/** Options as parsed by commander. */
export interface ControlOptions {
  readonly id?: readonly string[];
  readonly name?: readonly string[];
  readonly all?: true;
  readonly actor?: string;
  readonly queue?: readonly string[];
  readonly before?: number;
  readonly until?: number;
  readonly reason?: string;
  readonly drop?: true;
  readonly purge?: true;
  readonly yes?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Parsed command line. */
export interface ControlArguments {
  readonly source: BrokerSource;
  readonly options: ControlOptions;
}

/**
 * Parses the command line.
 *
 * @param command The command.
 * @param args The arguments after its name.
 * @param program This program.
 * @returns The parsed command line, or the help to print.
 * @throws {UsageError} If the arguments are invalid.
 */
export function parseControlArguments(
  command: Command,
  args: readonly string[],
  program: Program,
): ControlArguments | string {
  const source = parseBrokerSource(command, args, program, "control workers");
  return typeof source === "string" ? source : { source, options: command.opts() };
}

/** Makes a command with the options that all commands of this folder have. */
export function makeControlCommand(name: string, description: string, exitCodes: string): Command {
  return addBrokerOption(new Command(`${commandName()} ${name}`))
    .usage("[options] --broker URL | module[:broker] [modules…]")
    .description(description)
    .argument("[modules...]")
    .option("--json", `print one JSON object a line, with "schema": ${SCHEMA}`)
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", `\nExit codes: ${exitCodes}\n`);
}

/** Collects the values of a repeatable option. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
