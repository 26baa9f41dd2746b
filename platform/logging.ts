import { getLogger as getLogTapeLogger } from "@logtape/logtape";
import { errorMessage, shorten } from "./thrown.ts";

/**
 * Logger of this library. Lines go to LogTape under the
 * category `["dramatiq", …]` and are silent until the application configures it.
 */
export interface Logger {
  /** For following one message on its way. */
  debug(message: string, properties?: Record<string, unknown>): void;
  /** For what happens in normal operation. */
  info(message: string, properties?: Record<string, unknown>): void;
  /** For records that need attention tomorrow. */
  warn(message: string, properties?: Record<string, unknown>): void;
  /** For records that need attention now. */
  error(message: string, properties?: Record<string, unknown>): void;
}

/**
 * @param category Where the lines come from, below `dramatiq`.
 * @returns The logger for that category.
 */
export function getLogger(...category: string[]): Logger {
  return getLogTapeLogger(["dramatiq", ...category.map(ownName)]);
}

/** LogTape 2.4 keeps its loggers in a plain object and takes what that inherits for loggers. */
function ownName(name: string): string {
  return name in Object.prototype ? `_${name}` : name;
}

/** The parts of a message, or of its delivery, that log lines name. */
interface Logged {
  readonly messageId: string;
  readonly actorName: string;
  readonly queueName: string;
}

/** Characters of an id or a name that a line shows. */
const MAX_NAME = 200;

/**
 * Properties of every line about a message.
 *
 * @param message The message.
 * @param error What went wrong, if anything did.
 * @returns The properties: `messageId`, `actor`, `queue`, and of an error `reason` and `error`.
 */
export function about(message: Logged, error?: unknown): Record<string, unknown> {
  const messageId = shorten(message.messageId, MAX_NAME);
  const actor = shorten(message.actorName, MAX_NAME);
  const queue = message.queueName;
  if (error === undefined) return { messageId, actor, queue };
  return { messageId, actor, queue, reason: errorMessage(error), error };
}
