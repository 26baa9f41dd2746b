import { configure, configureSync, type LogRecord, reset } from "@logtape/logtape";

/** Whose log is noted, and how much of it. */
export interface LogOptions {
  /** The category, with all below it. */
  readonly category: readonly string[];
  /** The least serious level that is noted. @default {"info"} */
  readonly lowestLevel?: LogRecord["level"];
}

/**
 * Discards what the library logs. In a program that has not configured LogTape, workers print their
 * first failures, here between the results of the tests.
 */
export function discardLog(): void {
  configureSync({
    reset: true,
    sinks: {},
    loggers: [{ category: ["logtape", "meta"], sinks: [] }],
  });
}

/** Runs something as in a program that has not configured LogTape. */
export async function withoutLogTape(run: () => Promise<void>): Promise<void> {
  await reset();
  try {
    await run();
  } finally {
    discardLog();
  }
}

/**
 * Runs something while noting what the library logs.
 *
 * @param options What to note.
 * @param run Gets the lines, which grow, and a promise of the first.
 */
export async function withLog(
  { category, lowestLevel = "info" }: LogOptions,
  run: (lines: readonly LogRecord[], first: Promise<void>) => Promise<void>,
): Promise<void> {
  const lines: LogRecord[] = [];
  const { promise: first, resolve } = Promise.withResolvers<void>();
  const list = (line: LogRecord) => {
    lines.push(line);
    resolve();
  };
  await configure({
    reset: true,
    sinks: { list },
    loggers: [
      { category: [...category], sinks: ["list"], lowestLevel },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await run(lines, first);
  } finally {
    discardLog();
  }
}

/** Log lines of the library while something runs. */
export async function linesOf(
  options: LogOptions,
  run: () => void | Promise<void>,
): Promise<readonly LogRecord[]> {
  let noted: readonly LogRecord[] = [];
  await withLog(options, async (lines) => {
    noted = lines;
    await run();
  });
  return noted;
}

/** A line as people read it. */
export function textOf({ message }: LogRecord): string {
  return message.join("");
}
