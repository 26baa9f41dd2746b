import { configure, type LogRecord, reset } from "@logtape/logtape";

/**
 * Runs something while noting what the library logs about RabbitMQ.
 *
 * @param run Gets the lines, which grow.
 */
export async function withLog(run: (lines: readonly LogRecord[]) => Promise<void>): Promise<void> {
  const lines: LogRecord[] = [];
  await configure({
    reset: true,
    sinks: { list: (line) => lines.push(line) },
    loggers: [
      { category: ["dramatiq", "rabbitmq"], sinks: ["list"], lowestLevel: "info" },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  try {
    await run(lines);
  } finally {
    await reset();
  }
}

/** A line as people read it. */
export function textOf({ message }: LogRecord): string {
  return message.join("");
}
