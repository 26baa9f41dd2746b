import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Parsed command line. */
export interface Arguments {
  /** The folder to look through. */
  readonly folder: string;
  /** Number of files that are worked on at once. */
  readonly concurrency: number;
  /** One file in so many fails at first; 0 for none. */
  readonly failEvery: number;
  /** Path of the database; a file in a temporary folder unless it is named. */
  readonly broker: string | undefined;
  /** True if a terminal shows a progress bar. */
  readonly progress: boolean;
}

/** The command line, or the folder that it names, makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** This repository. */
const DEFAULT_FOLDER = fileURLToPath(new URL("../..", import.meta.url));

/** Each message that runs holds a file open, and processes may hold some hundreds. */
const MAX_CONCURRENCY = 256;

/** Text of `--help`. */
export const HELP = `Counts the words of all text files below a folder, one message per file.

Usage: deno task demo [folder] [flags]

  folder             where to look; without one, this repository
  --concurrency N    work on N files at once, 1 to ${MAX_CONCURRENCY} (default 8)
  --fail-every N     let about one file in N fail at first, to be retried; 0 for none
                     (default 100)
  --broker URL       where the messages are: sqlite:FILE, redis://…, amqp://…, or stub: for
                     this process alone; without it, an SQLite file in a temporary folder
  --no-progress      show no progress bar
  -h, --help         show this

Two worker processes count, and in the middle one of them is killed on purpose (not with
stub:): every file is counted exactly once all the same.

Example: deno task demo /usr/share/doc --concurrency 16 --fail-every 50

Words and lines are counted as "LC_ALL=C.UTF-8 wc" of GNU coreutils 9.1 counts them.
Binary files (a NUL byte in the first 8 KiB), symbolic links and the folders .git and
node_modules are left out.

Exit codes: 0 done, 2 wrong arguments, 130 interrupted by Ctrl-C.
`;

/**
 * Reads the command line.
 *
 * @throws {UsageError} If it makes no sense.
 */
export function parseArguments(args: string[]): Arguments | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  if (positionals.length > 1) {
    throw new UsageError(`Cannot look through ${positionals.length} folders: name one at most`);
  }
  return {
    folder: positionals[0] ?? DEFAULT_FOLDER,
    concurrency: toNumber("--concurrency", values.concurrency, 1, MAX_CONCURRENCY),
    failEvery: toNumber("--fail-every", values["fail-every"], 0, Number.MAX_SAFE_INTEGER),
    broker: values.broker,
    progress: !values["no-progress"],
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        "concurrency": { type: "string", default: "8" },
        "fail-every": { type: "string", default: "100" },
        "broker": { type: "string" },
        "no-progress": { type: "boolean", default: false },
        "help": { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    // Its texts go on with advice that fits few cases; the first sentence says it all.
    const [reason] = (error as Error).message.split(/\.?\s*\n|\. /);
    throw new UsageError(`Cannot read the arguments: ${reason}`, { cause: error });
  }
}

function toNumber(flag: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  const range = most === Number.MAX_SAFE_INTEGER
    ? `of ${least} or more`
    : `from ${least} to ${most}`;
  throw new UsageError(`Cannot use "${text}" for ${flag}: it must be a whole number ${range}`);
}
