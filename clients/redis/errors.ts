import { withDelivery } from "../../core/delivery_state.ts";
import {
  BrokerConnectionError,
  BrokerError,
  ConnectionClosed,
  ConnectionFailed,
  type DeliveryState,
  RequestRejected,
} from "../../core/errors.ts";
import { redactError } from "../redact.ts";
import { errorMessage } from "../../platform/thrown.ts";

/** Replies of servers that cannot serve now, but will: mostly the first word of the error. */
const PASSING =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MOVED|ASK|UNBLOCKED|ERR WAIT cannot)\b/;

/** Replies of a master that has become a replica; the last two to `WAIT`. */
const DEMOTED = /^(READONLY|UNBLOCKED force unblock|ERR WAIT cannot be used with replica)/;

/**
 * Replies of servers that refuse until somebody does something about it. The last two are how Redis
 * 7.0 and later word that the user may not do what a script does.
 */
const REFUSING = /* @__PURE__ */ new RegExp(
  [
    /^(OOM|MISCONF|NOREPLICAS|WRONGPASS|NOAUTH|NOPERM|DENIED)\b/,
    /max number of clients|unauthenticated/,
    /^ERR The user executing the script can't|^ERR ACL failure in script/,
  ].map(({ source }) => source).join("|"),
);

/** Reply of Redis to a database that it does not have. */
export const NO_DATABASE: RegExp = /^ERR (DB index|invalid DB index|SELECT)/;

/** Before Redis 7 the error of a command in a script is worded as one of the script. */
const IN_SCRIPT = /^ERR Error running script .*@user_script: ?\d+: -?(?=[A-Z]+ )/;

/** An argument is larger than what the server takes. Nothing was sent. */
export class ArgumentTooLarge extends RequestRejected {
  static {
    this.prototype.name = "RequestRejected";
  }

  /**
   * Says how much the server takes.
   *
   * @param purpose What the argument was for: the end of "Cannot …".
   * @param bytes How large it is.
   * @param limit How large it may be.
   */
  constructor(purpose: string, bytes: number, limit: number) {
    super(
      `Cannot ${purpose}: one argument has ${bytes} bytes, and the server takes ${limit} at most ` +
        "(proto-max-bulk-len, client-query-buffer-limit)",
    );
  }
}

/** A command has run, and too few replicas have heard of it: nobody knows who will be the master. */
export class NotReplicated extends ConnectionFailed {
  static {
    this.prototype.name = "ConnectionFailed";
  }
}

/**
 * Translates an error of the client for the caller that gave a command.
 *
 * @param thrown The error.
 * @param reported What the client reported last, if the connection is not up: commands that
 *   fail with it only say that they were abandoned.
 * @param purpose What the command was for: the end of "Cannot …".
 * @param delivery Whether the command may have run all the same.
 * @param secrets What the server was given, and must not be shown.
 * @returns What to throw.
 */
export function explain(
  thrown: unknown,
  reported: Error | undefined,
  purpose: string,
  delivery: DeliveryState = "unknown",
  secrets: readonly string[] = [],
): Error {
  if (thrown instanceof BrokerConnectionError) return withDelivery(thrown, delivery);
  const error = redactError(thrown, secrets);
  if (error instanceof BrokerError || error instanceof TypeError) return error;
  // Without its database the server takes nothing at all, whatever the request is.
  if (isReply(error) && !isForNow(error) && !NO_DATABASE.test(error.message)) {
    return new RequestRejected(`Cannot ${purpose}: Redis answers: ${error.message}`, {
      cause: error,
    });
  }
  const cause = isReply(error) ? error : reported ?? error;
  if (isReply(cause)) {
    const text = `Cannot ${purpose}: Redis answers: ${cause.message}`;
    return new ConnectionFailed(text, { cause, delivery });
  }
  // Without an error of its own the client only says that it does not try again.
  const isVague = (cause as Error).name === "MaxRetriesPerRequestError";
  const reason = isVague ? "the connection was closed" : errorMessage(cause);
  const text = `Cannot ${purpose}: Redis is unavailable: ${reason}`;
  return reported === undefined
    ? new ConnectionClosed(text, { cause, delivery })
    : new ConnectionFailed(text, { cause, delivery });
}

/** The same error, if a connection could not be made, with what to do about it. */
export function withAdvice(error: Error, advice: string): Error {
  if (!(error instanceof ConnectionFailed) || error.message.endsWith(advice)) return error;
  const { message, cause, delivery } = error;
  return new ConnectionFailed(`${message}; ${advice}`, { cause, delivery });
}

/** Error for a command on a connection that was closed for good. */
export function closedFor(purpose: string, cause?: unknown): ConnectionClosed {
  return new ConnectionClosed(`Cannot ${purpose}: the connection to Redis is closed`, {
    cause,
    delivery: "none",
  });
}

/** True if the server said no, rather than nothing. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/**
 * True if the server may have got a command that failed with this: it has not if it answered, or
 * if the client had no connection to write to.
 */
export function mayHaveRun(error: unknown): boolean {
  return !isReply(error) && !/^Stream isn't writeable/.test(errorMessage(error));
}

/** Error text of ioredis around the reply that it got after it had been sent from node to node too often. */
const REDIRECTED = /^Too many Cluster redirections\. Last error: (?:(\w+): )?/;

/** An error of the client, or the answer of a server that it hides. */
export function unwrapped(error: unknown): unknown {
  const match = error instanceof Error ? REDIRECTED.exec(error.message) : null;
  if (match === null) return error;
  const [prefix, name = "Error"] = match;
  const { message } = error as Error;
  return Object.assign(new Error(message.slice(prefix.length), { cause: error }), { name });
}

/** Reply of the server, in the words of Redis 7. */
function answerOf(reply: Error): string {
  return reply.message.replace(IN_SCRIPT, "");
}

/** True if the server says that it is a replica. */
export function isReadOnly(reply: Error): boolean {
  return DEMOTED.test(answerOf(reply));
}

/** True if the server says that it has fewer replicas than it was told to have. */
export function isShortOfReplicas(reply: Error): boolean {
  return answerOf(reply).startsWith("NOREPLICAS");
}

/** True if the server may do later what it refuses now. */
function isForNow(reply: Error): boolean {
  const answer = answerOf(reply);
  return PASSING.test(answer) || REFUSING.test(answer);
}

/** True if trying again may help: the server is unavailable, or not ready yet. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionClosed) return true;
  if (!(error instanceof ConnectionFailed) || error instanceof NotReplicated) return false;
  const { cause } = error;
  return !isReply(cause) || PASSING.test(answerOf(cause));
}

/**
 * As {@linkcode isTransient}, or the server refuses for now: it is full, or wants another
 * password. Somebody will see to that; what a worker has in flight can wait.
 */
export function isUnavailable(error: unknown): boolean {
  if (isTransient(error)) return true;
  return error instanceof ConnectionFailed && isReply(error.cause) && isForNow(error.cause);
}
