/**
 * Guards for all calls of the API, of SDKs and of functions of the application. Their errors are
 * logged, and never affect a message.
 *
 * @module
 */
import { type Context, context, ROOT_CONTEXT } from "@opentelemetry/api";
import type { Message } from "../core/message.ts";
import { about, getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("opentelemetry");

/** Milliseconds between two log records of an action: a broken SDK fails for each message. */
const LOG_INTERVAL = 60_000;
/** When the failure of each action was last logged, by the monotonic clock. */
const loggedAt: Map<string, number> = /* @__PURE__ */ new Map();

/**
 * Logs a failure, at most once a minute for each action.
 *
 * @param action Completes the sentence "Failed to …". One of a few constants.
 * @param error The thrown value.
 * @param message The message, if it matters.
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
 * Calls the API, or a function of the application. A returned promise is not awaited; if it
 * rejects, that is logged.
 *
 * @param action Completes the sentence "Failed to …".
 * @param call The call.
 * @returns The result of the call; `undefined` if it failed, or returned a promise.
 */
export function guarded<T>(action: string, call: () => T): T | undefined {
  try {
    const result = call();
    if (!(result instanceof Promise)) return result;
    result.catch((error) => reportFailure(action, error));
  } catch (error) {
    reportFailure(action, error);
  }
  return undefined;
}

/** The active context; the root context if the context manager fails. */
export function activeContext(): Context {
  try {
    return context.active() ?? ROOT_CONTEXT;
  } catch (error) {
    reportFailure("find the active context", error);
    return ROOT_CONTEXT;
  }
}

/**
 * Runs a function in a context, exactly once, even if the context manager is broken.
 *
 * @param active The context.
 * @param next The function.
 * @returns The promise of the function; a rejected one if it threw.
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
