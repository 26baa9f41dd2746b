/**
 * The one way into the API, and with it into SDKs, exporters and functions of the application: what
 * they throw is logged, and messages go on without it. Tracing never decides what becomes of a message.
 *
 * @module
 */
import { type Context, context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Message } from "../core/message.ts";
import { about, getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("opentelemetry");

/** Milliseconds between two lines of one kind: a broken SDK fails with each message. */
const LOG_INTERVAL = 60_000;
/** When a line of each kind was logged, by the monotonic clock. */
const loggedAt: Map<string, number> = /* @__PURE__ */ new Map();

/**
 * Logs a failure, unless one of its kind was logged within the last minute.
 *
 * @param action What failed, an infinitive; there are few.
 * @param error What was thrown.
 * @param message The message that it was for, where that matters.
 */
export function reportFailure(action: string, error: unknown, message?: Message): void {
  const now = performance.now();
  const last = loggedAt.get(action);
  if (last !== undefined && now - last < LOG_INTERVAL) return;
  loggedAt.set(action, now);
  const subject = message === undefined ? "" : " of message {messageId} of {actor}";
  log.error(`Failed to ${action}${subject}, which affects no message: {reason}`, {
    reason: errorMessage(error),
    error,
    ...(message !== undefined && about(message)),
  });
}

/**
 * Calls the API, or what an application gave. A promise is not awaited, but what it rejects with is logged.
 *
 * @param action What is done, for the log.
 * @param call Does it.
 * @returns What the call returned; `undefined` if it failed, or gave a promise.
 */
export function guarded<T>(action: string, call: () => T): T | undefined {
  try {
    const given = call();
    if (!(given instanceof Promise)) return given;
    given.catch((error) => reportFailure(action, error));
  } catch (error) {
    reportFailure(action, error);
  }
  return undefined;
}

/** The active context; the root if that cannot be told. */
export function activeContext(): Context {
  try {
    return context.active() ?? ROOT_CONTEXT;
  } catch (error) {
    reportFailure("find the active context", error);
    return ROOT_CONTEXT;
  }
}

/**
 * Runs a function once within a context, whatever the context manager does.
 *
 * @param active The context.
 * @param next The function.
 * @returns What the function returned; a rejected promise if it threw.
 */
export function within<T>(active: Context, next: () => Promise<T>): Promise<T> {
  let running: Promise<T> | undefined;
  const run = () => {
    try {
      running ??= next();
    } catch (error) {
      running = Promise.reject(error);
    }
  };
  try {
    context.with(active, run);
  } catch (error) {
    reportFailure("activate a context", error);
  }
  if (running === undefined) run();
  return running!;
}
