import { configure, getConfig, type LogRecord } from "@logtape/logtape";
import { type LogLine, toJson } from "./log_line.ts";
import { sendRecord } from "./ipc.ts";

/**
 * Sends the log of this process to its supervisor, unless the modules of the user have configured
 * LogTape themselves.
 *
 * @param verbose Whether to log debug records.
 */
export async function configureLogging(verbose: boolean): Promise<void> {
  if (getConfig() !== null) return;
  await configure({
    sinks: { supervisor: send },
    loggers: [
      { category: [], lowestLevel: verbose ? "debug" : "info", sinks: ["supervisor"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["supervisor"] },
    ],
  });
}

function send(record: LogRecord): void {
  sendRecord({ type: "log", ...toLogLine(record) });
}

/** Converts a record of LogTape. */
export function toLogLine(record: LogRecord): LogLine {
  const { timestamp, level, category, message, properties } = record;
  return {
    time: timestamp,
    level,
    logger: category.join("."),
    text: message.map(toText).join(""),
    properties: toJson(properties) as Record<string, unknown>,
  };
}

/** A part of a message: strings as they are, other values as JSON. */
function toText(part: unknown): string {
  if (typeof part === "string") return part;
  const json = toJson(part);
  return typeof json === "string" ? json : JSON.stringify(json) ?? "undefined";
}
