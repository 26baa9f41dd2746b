import {
  BrokerConnectionError,
  ConnectionClosed,
  ConnectionFailed,
  RequestRejected,
} from "../../core/errors.ts";
import { redactError } from "../../clients/redact.ts";
import { errorMessage } from "../../platform/thrown.ts";

/** Permanent errors of opening a connection, of which amqplib has only the text. */
const REFUSAL = /\b(403|530)\b.*(ACCESS[-_]REFUSED|NOT[-_]ALLOWED)|NOT_ALLOWED|ACCESS[-_]REFUSED/;
/**
 * Error text of amqplib when the server closes the connection on opening the virtual host, without the
 * reason. It is retried, since the host may be starting.
 */
const NO_VHOST = /Expected ConnectionOpenOk; got <ConnectionClose/;
/** Error text of RabbitMQ: the queue exists with other arguments. */
const INEQUIVALENT =
  /inequivalent arg '([^']+)' for queue '([^']+)' in vhost '[^']*': received (.+?) but current is (.+?)["']?$/;

/** Error text of RabbitMQ: no such queue. */
const NO_QUEUE = /NOT_FOUND - no queue '([^']+)'/;
/** Error text of RabbitMQ: the only node of a classic queue is down. */
const NODE_AWAY = /home node '[^']*' of durable queue '([^']+)'.* is down or inaccessible/;
/**
 * Error text of RabbitMQ: a queue exists, and its process does not run. The other nodes say that it is
 * stopped when its node, or its virtual host there, was stopped in good order.
 */
const NOT_RUNNING =
  /NOT_FOUND - queue '([^']+)'.* (?:process is stopped by supervisor|has crashed and failed to restart)/;

/** Error text of RabbitMQ 3.10: the feature flag for quorum queues is off. */
const NO_QUORUM = /of type 'rabbit_quorum_queue' .*feature flag is disabled/;

/** The server refused a connection for good: wrong password, no such virtual host. */
export class ConnectionRefused extends ConnectionFailed {
  static {
    this.prototype.name = "ConnectionFailed";
  }
}

/**
 * Explains why no connection could be made.
 *
 * @param server Name of the server.
 * @param error The error of amqplib.
 * @param advice Text after the reason.
 * @returns The error to throw.
 */
export function explainFailure(server: string, error: unknown, advice = ""): Error {
  if (error instanceof TypeError && error.cause !== undefined) return error; // amqplib is missing
  const text = errorMessage(error) || "it cannot be reached";
  const reason = NO_VHOST.test(text)
    ? "it refuses the virtual host: there is none of that name, or this user may not use it"
    : text;
  if (!REFUSAL.test(reason)) {
    return new ConnectionFailed(`Cannot connect to RabbitMQ at ${server}: ${reason}${advice}`, {
      cause: error,
    });
  }
  return new ConnectionRefused(
    `Cannot connect to RabbitMQ at ${server}: it refuses: ${reason}${advice}`,
    {
      cause: error,
    },
  );
}

/**
 * Explains why an operation on a connection failed.
 *
 * @param purpose Purpose of the operation: the end of "Cannot …".
 * @param error The error of amqplib.
 * @returns The error to throw.
 */
export function explain(purpose: string, error: unknown): Error {
  if (error instanceof BrokerConnectionError || error instanceof TypeError) return error;
  const cause = redactError(error);
  const reason = errorMessage(cause);
  const mismatch = mismatchOf(cause);
  const text = mismatch === undefined ? `Cannot ${purpose}: ${reason}` : describeMismatch(mismatch);
  return new ConnectionClosed(text, { cause });
}

/** A queue that exists with another value of an argument than it was declared with. */
export interface Mismatch {
  readonly queueName: string;
  readonly argument: string;
  /** Declared value, in RabbitMQ's words. `found` is the existing one. */
  readonly wanted: string;
  readonly found: string;
}

/** Parses how a queue differs from its declaration, if that is why an operation failed. */
export function mismatchOf(error: unknown): Mismatch | undefined {
  const match = INEQUIVALENT.exec(errorMessage(causeOf(error)));
  if (match === null) return undefined;
  const [, argument, queueName, wanted, found] = match;
  return {
    queueName: queueName!,
    argument: argument!,
    wanted: plain(wanted!),
    found: plain(found!),
  };
}

/** The queue that does not exist, if that is why an operation failed. */
export function missingQueueOf(error: unknown): string | undefined {
  return NO_QUEUE.exec(errorMessage(causeOf(error)))?.[1];
}

/** The queue that exists and is unavailable, if that is why an operation failed. */
export function unreachableQueueOf(error: unknown): string | undefined {
  const text = errorMessage(causeOf(error));
  return (NODE_AWAY.exec(text) ?? NOT_RUNNING.exec(text))?.[1];
}

/** True if the server has closed a connection because quorum queues are switched off. */
export function lacksQuorumQueues(error: unknown): boolean {
  return NO_QUORUM.test(errorMessage(error));
}

/** The error of amqplib inside of an error of this library. */
function causeOf(error: unknown): unknown {
  return error instanceof BrokerConnectionError ? error.cause : error;
}

function describeMismatch({ queueName, argument, wanted, found }: Mismatch): string {
  return `Cannot declare queue "${queueName}": it exists with ${argument} ${found}, and this ` +
    `broker wants ${wanted}; use the same settings as its other users, or delete it`;
}

/** Extracts `10` from `the value '10' of type 'signedint'`, or from `'10'`. */
function plain(description: string): string {
  return /'([^']*)/.exec(description)?.[1] ?? description;
}

/** Reply code of a channel that the server closed, such as 404, 403 or 406. */
export function replyCode(error: unknown): number | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** Reply code with which RabbitMQ closes a channel for a message that it cannot store. */
export const PRECONDITION_FAILED = 406;

/** Error text of RabbitMQ: the message is too large. */
const TOO_LARGE = /message size \d+ (?:is )?larger than (?:configured )?max size (\d+)/;

/**
 * Parses the maximum of bytes in a message from the error of a channel.
 *
 * @returns The limit; `undefined` if the channel was closed for another reason.
 */
export function sizeLimitOf(error: unknown): number | undefined {
  const limit = TOO_LARGE.exec(errorMessage(error))?.[1];
  return limit === undefined ? undefined : Number(limit);
}

/**
 * Error for a message for which RabbitMQ always closes the channel.
 *
 * @param queueName Its queue.
 * @param length Its length in bytes.
 * @param error The error of the channel.
 */
export function rejected(queueName: string, length: number, error: unknown): RequestRejected {
  const limit = sizeLimitOf(error);
  const reason = limit === undefined
    ? `RabbitMQ closes the channel because of it: ${errorMessage(error)}`
    : `it has ${length} bytes, and the server takes ${limit} at most (max_message_size)`;
  return new RequestRejected(`Cannot send to queue "${queueName}": ${reason}`, { cause: error });
}

/**
 * Error for a server that has confirmed nothing for too long.
 *
 * @param ms The time.
 * @param reason Why the server blocks publishers, if it does.
 */
export function silentFor(ms: number, reason: string | undefined): ConnectionClosed {
  return new ConnectionClosed(
    reason === undefined
      ? `Cannot send: RabbitMQ confirmed nothing for ${ms} ms`
      : `Cannot send: RabbitMQ has blocked publishers for ${ms} ms: ${reason}`,
  );
}
