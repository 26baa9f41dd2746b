import { getLogger as getLogTapeLogger } from "@logtape/logtape";
import { errorMessage, shorten } from "./thrown.ts";

/**
 * Logger of this library. Records go to LogTape under the category `["dramatiq", …]`; nothing is
 * printed until the application configures LogTape.
 */
export interface Logger {
  /** For following a single message. */
  debug(message: string, properties?: Record<string, unknown>): void;
  /** For events of normal operation. */
  info(message: string, properties?: Record<string, unknown>): void;
  /** For records that need attention tomorrow. */
  warn(message: string, properties?: Record<string, unknown>): void;
  /** For records that need attention now. */
  error(message: string, properties?: Record<string, unknown>): void;
}

/**
 * @param category The category below `dramatiq`.
 * @returns The logger for that category.
 */
export function getLogger(...category: string[]): Logger {
  return getLogTapeLogger(["dramatiq", ...category.map(ownName)]);
}

/** LogTape 2.4 keeps loggers in a plain object, so names such as `constructor` find no logger. */
function ownName(name: string): string {
  return name in Object.prototype ? `_${name}` : name;
}

/** Fields of a message, or of its delivery, for log records. */
interface Logged {
  readonly messageId: string;
  readonly actorName: string;
  readonly queueName: string;
}

/** Longest id or name in a log record, in characters. */
const MAX_NAME = 200;

/**
 * Properties of log records about a message.
 *
 * @param message The message.
 * @param error The error to log, if any.
 * @returns `messageId`, `actor`, `queue`; with an error also `reason` and `error`.
 */
export function about(message: Logged, error?: unknown): Record<string, unknown> {
  const messageId = shorten(message.messageId, MAX_NAME);
  const actor = shorten(message.actorName, MAX_NAME);
  const queue = message.queueName;
  if (error === undefined) return { messageId, actor, queue };
  return { messageId, actor, queue, reason: errorMessage(error), error };
}
