import { parseArgs } from "node:util";

/** What the command line asks for. */
export interface Arguments {
  /** Modules to import, the first one maybe with `:broker` behind it. */
  readonly modules: readonly string[];
  /** The queues to work on; all when empty. */
  readonly queues: readonly string[];
  /** Messages at once. */
  readonly concurrency: number;
  /** Milliseconds that running actors get at the end. */
  readonly shutdownTimeout: number;
}

/** A command line that makes no sense. Its text is for the user. */
export class UsageError extends Error {
  static {
    this.prototype.name = "UsageError";
  }
}

/** What `--help` prints. */
export const HELP =
  `Runs actors: takes messages off the queues of a broker until it is told to stop.

Usage: deno task worker [options] module[:broker] [modules…]

  module                        path or URL of a module that declares actors
  :broker                       the export that holds the broker; without it, getBroker()
  -Q, --queues NAME             work on this queue only; may be repeated
  -c, --concurrency N           messages at once (default 8)
  --worker-shutdown-timeout MS  time for running actors at the end (default 600000)
  --version                     print the version
  -h, --help                    print this

Examples:
  deno task worker actors.ts
  deno task worker actors.ts:broker --queues mails --concurrency 32
  bun run worker.ts actors.ts

SIGTERM and SIGINT (Ctrl-C) stop it gracefully, a second one at once.
Exit codes: 0 stopped as asked, 1 killed, 2 wrong arguments or a module that does not import,
3 the broker cannot be reached.
`;

/**
 * Reads the command line.
 *
 * @param args The arguments after the program.
 * @returns What they ask for.
 * @throws {UsageError} If they make no sense.
 */
export function parseArguments(args: readonly string[]): Arguments | "help" | "version" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  if (values.version) return "version";
  if (positionals.length === 0) {
    throw new UsageError("Cannot start a worker: name the module that declares the actors");
  }
  return {
    modules: positionals,
    queues: values.queues ?? [],
    concurrency: toNumber("--concurrency", values.concurrency, 1),
    shutdownTimeout: toNumber("--worker-shutdown-timeout", values["worker-shutdown-timeout"], 0),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        "queues": { type: "string", short: "Q", multiple: true },
        "concurrency": { type: "string", short: "c", default: "8" },
        "worker-shutdown-timeout": { type: "string", default: "600000" },
        "version": { type: "boolean", default: false },
        "help": { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    // Only its first sentence fits every case.
    const [reason] = (error as Error).message.split(/\.?\s*\n|\. /);
    throw new UsageError(`Cannot read the arguments: ${reason}`, { cause: error });
  }
}

function toNumber(flag: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= least) return number;
  throw new UsageError(
    `Cannot use "${text}" for ${flag}: it must be a whole number of ${least} or more`,
  );
}
