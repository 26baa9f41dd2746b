import { configure, getConfig, getLogger, type LogLevel, type LogRecord } from "@logtape/logtape";
import type { LogLine } from "./realm_protocol.ts";

const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warning", "error", "fatal"];

/** @returns The least level that any logger of this realm shows; `undefined` if none does. */
export function leastLogLevel(): LogLevel | undefined {
  const loggers = getConfig()?.loggers.filter(({ category }) =>
    ![category].flat().includes("meta")
  );
  const levels = loggers?.map(({ lowestLevel }) => lowestLevel ?? "trace") ?? [];
  return LEVELS.find((level) => levels.includes(level));
}

/**
 * Has the realm of the worker write the log of this one, unless the modules of the user
 * have configured it.
 *
 * @param send Sends a line.
 * @param level The least level to send; `undefined` for silence.
 */
export async function sendLogTo(
  send: (line: LogLine) => void,
  level: string | undefined,
): Promise<void> {
  if (level === undefined || getConfig() !== null) return;
  const lowestLevel = level as LogLevel;
  await configure({
    sinks: { worker: (record) => send(toLine(record)) },
    loggers: [
      { category: [], lowestLevel, sinks: ["worker"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["worker"] },
    ],
  });
}

/** Writes a line that another realm sent. */
export function writeLog({ category, level, text, properties }: LogLine): void {
  const logger = getLogger(category as [string, ...string[]]);
  const write = { trace: "trace", debug: "debug", warning: "warn", error: "error", fatal: "fatal" };
  const method = (write as Record<string, string>)[level] ?? "info";
  logger[method as "info"](text, properties as Record<string, unknown>);
}

function toLine({ category, level, rawMessage, properties }: LogRecord): LogLine {
  const crossing: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(properties)) {
    try {
      crossing[name] = structuredClone(value);
    } catch {
      crossing[name] = String(value);
    }
  }
  const text = typeof rawMessage === "string" ? rawMessage : rawMessage.join("{}");
  return { category, level, text, properties: crossing };
}
