import { BrokerConnectionError, ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { errorMessage } from "../../core/thrown.ts";

/** What servers answer that cannot serve now, but will: the first word of the error. */
const PASSING = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MOVED|ASK)\b/;

/** What servers answer that refuse until somebody does something about it. */
const REFUSING = /^(OOM|MISCONF|NOREPLICAS|WRONGPASS|NOAUTH)\b/;

/**
 * What an error of the client means for whoever gave a command.
 *
 * @param error The error.
 * @param reported What the client reported last, if the connection is not up: commands that
 *   fail with it only say that they were given up.
 * @param purpose What the command was for: the end of "Cannot …".
 * @returns What to throw.
 */
export function explain(error: unknown, reported: Error | undefined, purpose: string): Error {
  if (error instanceof BrokerConnectionError || error instanceof TypeError) return error;
  const cause = isReply(error) ? error : reported ?? error;
  if (isReply(cause)) {
    return new ConnectionFailed(`Cannot ${purpose}: Redis answers: ${cause.message}`, { cause });
  }
  // Without an error of its own the client only says that it does not try again.
  const isVague = (cause as Error).name === "MaxRetriesPerRequestError";
  const reason = isVague ? "the connection was closed" : errorMessage(cause);
  const text = `Cannot ${purpose}: Redis is away: ${reason}`;
  return reported === undefined
    ? new ConnectionClosed(text, { cause })
    : new ConnectionFailed(text, { cause });
}

/** What to throw when the connection was closed for good. */
export function closedFor(purpose: string, cause?: unknown): ConnectionClosed {
  return new ConnectionClosed(`Cannot ${purpose}: the connection to Redis is closed`, { cause });
}

/** Whether the server said no, rather than nothing. */
function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/** Whether trying again may help: the server is away, or not ready yet. */
export function mayPass(error: unknown): boolean {
  if (error instanceof ConnectionClosed) return true;
  if (!(error instanceof ConnectionFailed)) return false;
  const { cause } = error;
  return !isReply(cause) || PASSING.test(cause.message);
}

/**
 * As {@linkcode mayPass}, or the server refuses for now: it is full, or wants another
 * password. Somebody will see to that; what a worker has at hand can wait.
 */
export function isAway(error: unknown): boolean {
  return mayPass(error) ||
    error instanceof ConnectionFailed && REFUSING.test(errorMessage(error.cause));
}
