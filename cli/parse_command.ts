import { type Command, CommanderError } from "commander";
import { UsageError } from "./usage_error.ts";

/**
 * Parses a command line without printing or ending the process.
 *
 * @param command The command, which holds the parsed options and arguments afterwards.
 * @param args The arguments.
 * @returns The help or version to print, if requested.
 * @throws {UsageError} If the arguments are invalid.
 */
export function parseCommand(command: Command, args: readonly string[]): string | undefined {
  let printed = "";
  command.exitOverride().configureOutput({
    writeOut: (text) => printed += text,
    writeErr: () => {}, // the thrown error has the same text
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
