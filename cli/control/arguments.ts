import { Command, CommanderError } from "commander";
import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";

/** Options as commander parses them. */
export interface ControlOptions {
  readonly id?: readonly string[];
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

const SPAN = /^(\d+(?:\.\d+)?)(s|m|h|d|w)$/;
const SPAN_LENGTHS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

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
  let printed = "";
  command.exitOverride().configureOutput({
    writeOut: (text) => printed += text,
    writeErr: () => {}, // the error says it, too
  });
  const isCommandLine = program.modules.length === 0 && !program.declaresActors;
  if (args.length === 0 && isCommandLine) return command.helpInformation();
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return printed;
    const reason = error.message.replace(/^error: /, "").replace(/\.?\s*\n\s*/g, " ");
    throw new UsageError(`Cannot read the arguments: ${reason.replace(/\.$/, "")}`, {
      cause: error,
    });
  }
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

/**
 * Makes a parser of times.
 *
 * @param name The option.
 * @param now The present time.
 * @param direction 1 for spans from now, -1 for spans ago.
 */
export function timeOf(name: string, now: number, direction: 1 | -1): (text: string) => number {
  return (text) => {
    const span = SPAN.exec(text);
    if (span !== null) return now + direction * Number(span[1]) * SPAN_LENGTHS[span[2]!]!;
    const time = /^\d{4}-/.test(text) ? Date.parse(text) : NaN;
    if (!Number.isNaN(time)) return time;
    throw new UsageError(
      `Cannot use "${text}" for --${name}: it must be a date such as 2026-01-31 or ` +
        "2026-01-31T12:00, or a span such as 30m, 2h, 7d",
    );
  };
}
