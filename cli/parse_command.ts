import { type Command, CommanderError } from "commander";
import { UsageError } from "./usage_error.ts";

/**
 * Parses a command line, and neither prints nor ends the process.
 *
 * @param command The options and arguments that may be given; it has them afterwards.
 * @param args The arguments.
 * @returns The help or version to print, if that was asked for.
 * @throws {UsageError} If the arguments make no sense.
 */
export function parseCommand(command: Command, args: readonly string[]): string | undefined {
  let printed = "";
  command.exitOverride().configureOutput({
    writeOut: (text) => printed += text,
    writeErr: () => {}, // the error says it, too
  });
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return printed;
    throw new UsageError(`Cannot read the arguments: ${reasonOf(error)}`, { cause: error });
  }
}

/** The message of commander, without its prefix and line breaks. */
function reasonOf({ message }: CommanderError): string {
  return message.replace(/^error: /, "").replace(/\.?\s*\n\s*/g, " ").replace(/\.$/, "");
}
