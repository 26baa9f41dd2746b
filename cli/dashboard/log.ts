import process from "node:process";
import { configure, getConfig } from "@logtape/logtape";
import { formatText } from "../log_line.ts";
import { toLogLine } from "../logging.ts";
import { writeAll } from "../output.ts";

const STANDARD_ERROR = 2;

/**
 * Logs to the standard error, unless modules of the user have configured LogTape. Each action is
 * logged.
 */
export async function logToStandardError(): Promise<void> {
  if (getConfig() !== null) return;
  const source = { name: "dashboard", pid: process.pid };
  const isTerminal = process.stderr.isTTY === true;
  await configure({
    sinks: {
      error: (record) =>
        writeAll(STANDARD_ERROR, formatText(toLogLine(record), source, isTerminal)),
    },
    loggers: [
      { category: [], lowestLevel: "info", sinks: ["error"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["error"] },
    ],
  });
}
