import { configure, type LogRecord, reset } from "@logtape/logtape";

/**
 * Runs something while noting what the library logs about Redis.
 *
 * @param run Gets the lines, which grow.
 */
export async function withLog(run: (lines: readonly LogRecord[]) => Promise<void>): Promise<void> {
  const lines: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { list: (line) => lines.push(line) },
    loggers: [
      { category: ["dramatiq", "redis"], sinks: ["list"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await run(lines);
  } finally {
    await reset();
  }
}
