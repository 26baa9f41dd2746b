import { getLogger as getLogTapeLogger } from "@logtape/logtape";

/**
 * What this library writes its log lines to. Lines go to LogTape under the
 * category `["dramatiq", …]` and are silent until the application configures it.
 */
export interface Logger {
  /** For following one message on its way. */
  debug(message: string, properties?: Record<string, unknown>): void;
  /** For what happens in normal operation. */
  info(message: string, properties?: Record<string, unknown>): void;
  /** For what somebody should look at tomorrow. */
  warn(message: string, properties?: Record<string, unknown>): void;
  /** For what somebody should look at now. */
  error(message: string, properties?: Record<string, unknown>): void;
}

/**
 * @param category Where the lines come from, below `dramatiq`.
 * @returns The logger for that category.
 */
export function getLogger(...category: string[]): Logger {
  return getLogTapeLogger(["dramatiq", ...category]);
}
