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

/** Replies of servers that cannot serve for the time being; most are the first word of the error. */
const PASSING =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MOVED|ASK|UNBLOCKED|ERR WAIT cannot)\b/;

/** Replies of a master that has become a replica; the last two to `WAIT`. */
const DEMOTED = /^(READONLY|UNBLOCKED force unblock|ERR WAIT cannot be used with replica)/;

/**
 * Replies of servers that refuse until an operator acts. The last two are those of Redis 7.0 and later
 * for a script with a command for which the user has no permission.
 */
const REFUSING = /* @__PURE__ */ new RegExp(
  [
    /^(OOM|MISCONF|NOREPLICAS|WRONGPASS|NOAUTH|NOPERM|DENIED)\b/,
    /max number of clients|unauthenticated/,
    /^ERR The user executing the script can't|^ERR ACL failure in script/,
  ].map(({ source }) => source).join("|"),
);

/** Replies of Redis for a database that does not exist. */
export const NO_DATABASE: RegExp = /^ERR (DB index|invalid DB index|SELECT)/;

/** Prefix that Redis before 7 puts before the error of a command in a script. */
const IN_SCRIPT = /^ERR Error running script .*@user_script: ?\d+: -?(?=[A-Z]+ )/;

/** An argument is larger than the server accepts. Nothing was sent. */
export class ArgumentTooLarge extends RequestRejected {
  static {
    this.prototype.name = "RequestRejected";
  }

  /**
   * Makes an error with the size and the limit.
   *
   * @param purpose Purpose of the command: the end of "Cannot …".
   * @param bytes Size of the argument.
   * @param limit Limit of the server.
   */
  constructor(purpose: string, bytes: number, limit: number) {
    super(
      `Cannot ${purpose}: one argument has ${bytes} bytes, and the server takes ${limit} at most ` +
        "(proto-max-bulk-len, client-query-buffer-limit)",
    );
  }
}

/** A command has run, but too few replicas have its writes: a failover may lose them. */
export class NotReplicated extends ConnectionFailed {
  static {
    this.prototype.name = "ConnectionFailed";
  }
}

/**
 * Translates an error of the client for the caller of a command.
 *
 * @param thrown The error.
 * @param reported The last error that the client emitted, if the connection is down: errors of
 *   commands do not name the cause.
 * @param purpose Purpose of the command: the end of "Cannot …".
 * @param delivery Whether the command may have run.
 * @param secrets Secrets to remove from the error.
 * @returns The error to throw.
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
  // Without the database, every command fails: that is no rejection of this request.
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
  // Without a connection error, the client only reports that it does not retry.
  const isVague = (cause as Error).name === "MaxRetriesPerRequestError";
  const reason = isVague ? "the connection was closed" : errorMessage(cause);
  const text = `Cannot ${purpose}: Redis is unavailable: ${reason}`;
  return reported === undefined
    ? new ConnectionClosed(text, { cause, delivery })
    : new ConnectionFailed(text, { cause, delivery });
}

/** Appends advice, such as "; try this", to the error of a failed connection; returns others unchanged. */
export function withAdvice(error: Error, advice: string): Error {
  if (!(error instanceof ConnectionFailed) || error.message.endsWith(advice)) return error;
  const { message, cause, delivery } = error;
  return new ConnectionFailed(message + advice, { cause, delivery });
}

/** Error for a command on a connection that was closed for good. */
export function closedFor(purpose: string, cause?: unknown): ConnectionClosed {
  return new ConnectionClosed(`Cannot ${purpose}: the connection to Redis is closed`, {
    cause,
    delivery: "none",
  });
}

/** True if an error is a reply of the server. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

/**
 * True if a command that failed with this error may have run: not if the server replied with the error,
 * or the client had no connection to write to.
 */
export function mayHaveRun(error: unknown): boolean {
  return !isReply(error) && !/^Stream isn't writeable/.test(errorMessage(error));
}

/** Error text of ioredis after too many redirections, which contains the last reply. */
const REDIRECTED = /^Too many Cluster redirections\. Last error: (?:(\w+): )?/;

/** Returns the reply inside of an error about redirections, and other errors unchanged. */
export function unwrapped(error: unknown): unknown {
  const match = error instanceof Error ? REDIRECTED.exec(error.message) : null;
  if (match === null) return error;
  const [prefix, name = "Error"] = match;
  const { message } = error as Error;
  return Object.assign(new Error(message.slice(prefix.length), { cause: error }), { name });
}

/** Text of a reply, in the form of Redis 7. */
function answerOf(reply: Error): string {
  return reply.message.replace(IN_SCRIPT, "");
}

/** True if the server replies that it is a replica. */
export function isReadOnly(reply: Error): boolean {
  return DEMOTED.test(answerOf(reply));
}

/** True if the server has fewer replicas than it is configured to require. */
export function isShortOfReplicas(reply: Error): boolean {
  return answerOf(reply).startsWith("NOREPLICAS");
}

/** True if the server refuses for the time being. */
function isForNow(reply: Error): boolean {
  const answer = answerOf(reply);
  return PASSING.test(answer) || REFUSING.test(answer);
}

/** True if a retry may succeed: the server is unavailable, or not ready yet. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionClosed) return true;
  if (!(error instanceof ConnectionFailed) || error instanceof NotReplicated) return false;
  const { cause } = error;
  return !isReply(cause) || PASSING.test(answerOf(cause));
}

/**
 * As {@linkcode isTransient}, or the server refuses for the time being: it is out of memory, or has a new
 * password. Messages in flight can wait until an operator acts.
 */
export function isUnavailable(error: unknown): boolean {
  if (isTransient(error)) return true;
  return error instanceof ConnectionFailed && isReply(error.cause) && isForNow(error.cause);
}
