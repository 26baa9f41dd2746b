import { getConfig, getLogger as getLogTapeLogger } from "@logtape/logtape";
import { escapeText } from "./escape.ts";
import { errorMessage, shorten } from "./thrown.ts";

/**
 * Logger of this library. Records go to LogTape under the category `["dramatiq", …]`; nothing is
 * printed until the application configures LogTape, except what {@linkcode printFirstFailures} does.
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
  return new CategoryLogger(getLogTapeLogger(["dramatiq", ...category.map(ownName)]));
}

/** Maximum number of characters of a record that is printed. */
const MAX_PRINTED = 1_000;

/** Levels whose next record is printed. */
let toPrint: readonly ("warn" | "error")[] = [];

/**
 * Prints the next warning and the next error that the library logs, unless the application has
 * configured LogTape by then. A worker asks for it: otherwise a program without a log would show no
 * sign of an actor that throws, or of a database that cannot be opened.
 */
export function printFirstFailures(): void {
  toPrint = ["warn", "error"];
}

function printOnce(
  level: "warn" | "error",
  message: string,
  properties: Record<string, unknown> = {},
): void {
  if (!toPrint.includes(level) || getConfig() !== null) return;
  toPrint = toPrint.filter((other) => other !== level);
  const text = message.replace(/\{(\w+)\}/g, (_, name) => String(properties[name]));
  const line = shorten(escapeText(`dramatiq: ${text}`), MAX_PRINTED);
  console.error(`${line} (configure LogTape to see further records)`);
}

/** A logger of LogTape, with the exception for programs that have not configured it. */
class CategoryLogger implements Logger {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  debug(message: string, properties?: Record<string, unknown>): void {
    this.#logger.debug(message, properties);
  }

  info(message: string, properties?: Record<string, unknown>): void {
    this.#logger.info(message, properties);
  }

  warn(message: string, properties?: Record<string, unknown>): void {
    this.#logger.warn(message, properties);
    printOnce("warn", message, properties);
  }

  error(message: string, properties?: Record<string, unknown>): void {
    this.#logger.error(message, properties);
    printOnce("error", message, properties);
  }
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
