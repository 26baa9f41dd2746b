import { Command } from "commander";
import { parseCommand } from "../parse_command.ts";
import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";

/** Options as commander parses them. */
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
  readonly yes?: true;
  readonly dryRun?: true;
  readonly json?: true;
}

/** Parsed command line. */
export interface ControlArguments {
  readonly modules: readonly string[];
  readonly options: ControlOptions;
}

/**
 * Reads the command line.
 *
 * @param command What may be given.
 * @param args The arguments after its name.
 * @param program Modules that need not be named.
 * @returns What they ask for, or the help to print.
 * @throws {UsageError} If they make no sense.
 */
export function parseControlArguments(
  command: Command,
  args: readonly string[],
  program: Program,
): ControlArguments | string {
  const isCommandLine = program.modules.length === 0 && !program.declaresActors;
  if (args.length === 0 && isCommandLine) return command.helpInformation();
  const help = parseCommand(command, args);
  if (help !== undefined) return help;
  if (command.args.length === 0 && isCommandLine) {
    throw new UsageError(
      "Cannot control workers: name the module that declares the broker, as for a worker",
    );
  }
  return { modules: [...program.modules, ...command.args], options: command.opts() };
}

/** A command with what all of them have. */
export function makeControlCommand(name: string, description: string, exitCodes: string): Command {
  return new Command(`worker.ts ${name}`)
    .usage("[options] module[:broker] [modules…]")
    .description(description)
    .argument("[modules...]")
    .option("--json", "print one JSON object a line")
    .helpOption("-h, --help", "print this")
    .addHelpText("after", `\nExit codes: ${exitCodes}\n`);
}

/** Gathers the values of an option that may be repeated. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}
