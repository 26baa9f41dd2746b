/**
 * Names of queues. The rule is the same on all brokers, and is checked wherever a name comes in:
 * declaring, sending, consuming, and decoding messages of other senders.
 *
 * A queue brings other names with it, and none of them may be that of another queue:
 *
 * - `q.DQ` for delayed messages and `q.XQ` for dead letters,
 * - on Redis `q.msgs`, `q.DQ.msgs`, `q.XQ.msgs` and `q.DQ.etas`, beside keys such as `__acks__.…`,
 * - on RabbitMQ `q.DQ.q1` to `q.DQ.q16384` and `q.DQ.quorum`, `q.DQ.1s` to `q.DQ.16384s` and
 *   `q.DQ.ladder`.
 *
 * @module
 */
import type { Clock } from "../platform/clock.ts";
import { showValue } from "../platform/show_value.ts";

const QUEUE_NAME = /^[A-Za-z_][\w.-]*$/;
/** Reserved parts of names, and their owners. */
const RESERVED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /\.[DX]Q$/,
    "names that end in .DQ or .XQ are those of the delayed messages and dead letters of a queue",
  ],
  [
    /\.[DX]Q\.|\.msgs$/,
    'names that contain ".DQ." or ".XQ.", or end in .msgs, are those of what is kept beside a queue',
  ],
  [/^__/, "names that start with two underscores are reserved for keys of the broker"],
  [/^amq\./, 'names that start with "amq." are reserved by RabbitMQ'],
];
/**
 * The most characters that a name may have. AMQP allows 255, and the longest suffix is that of
 * the last rung of the ladder, `.DQ.q16384`.
 */
export const MAX_QUEUE_NAME_LENGTH = 245;
/** Characters of an invalid name that an error shows. */
const MAX_SHOWN = 100;

/** The last queue that a message was sent to or came from: mostly it is that of the next one. */
let lastValid = "default";
/** Names that were looked at, as many as a process mostly has: to look takes five times as long. */
const valid: Set<string> = new Set();
const MAX_REMEMBERED = 1_000;

/** @returns The name of the queue that holds delayed messages for a queue. */
export function delayQueueName(queueName: string): string {
  return queueName.endsWith(".DQ") ? queueName : `${canonicalQueueName(queueName)}.DQ`;
}

/** @returns The name of the queue that holds dead letters of a queue. */
export function deadLetterQueueName(queueName: string): string {
  return queueName.endsWith(".XQ") ? queueName : `${canonicalQueueName(queueName)}.XQ`;
}

/** @returns The name of the queue that a delay or dead letter queue belongs to. */
export function canonicalQueueName(queueName: string): string {
  return queueName.endsWith(".DQ") || queueName.endsWith(".XQ")
    ? queueName.slice(0, -3)
    : queueName;
}

/**
 * Checks the name of a queue.
 *
 * @param queueName A name that an actor or application chose.
 * @param purpose What it is for, for the error text.
 * @throws {TypeError} If it cannot be the name of a queue.
 */
export function assertQueueName(queueName: unknown, purpose = "declare queue"): void {
  const reason = invalidity(queueName);
  if (reason !== undefined) throw refusal(purpose, queueName, reason);
}

/**
 * Checks the name of a queue or delay queue: where messages can be sent to, and consumed from.
 *
 * @param queueName The name.
 * @param purpose What it is for, for the error text.
 * @throws {TypeError} If it is neither.
 */
export function assertQueueOrDelayQueueName(queueName: string, purpose: string): void {
  const reason = whatIsWrongWithQueueName(queueName);
  if (reason !== undefined) throw refusal(purpose, queueName, reason);
}

/**
 * Checks the name of a queue, or of one of the queues that belong to it.
 *
 * @param queueName The name.
 * @param purpose What it is for, for the error text.
 * @returns The name of the queue.
 * @throws {TypeError} If it is none of them.
 */
export function toCanonicalQueueName(queueName: string, purpose: string): string {
  const canonical = typeof queueName === "string" ? canonicalQueueName(queueName) : queueName;
  const reason = invalidity(canonical);
  if (reason !== undefined) throw refusal(purpose, queueName, reason);
  return canonical;
}

/**
 * Looks at the queue that a message names.
 *
 * @param queueName The name of a queue or delay queue.
 * @returns Why it is neither; `undefined` if it is one.
 */
export function whatIsWrongWithQueueName(queueName: string): string | undefined {
  if (queueName === lastValid) return undefined;
  if (valid.has(queueName)) {
    lastValid = queueName;
    return undefined;
  }
  const isDelayQueue = typeof queueName === "string" && queueName.endsWith(".DQ");
  const reason = invalidity(isDelayQueue ? queueName.slice(0, -3) : queueName);
  if (reason === undefined) {
    if (valid.size >= MAX_REMEMBERED) valid.clear();
    valid.add(queueName);
  }
  return reason;
}

/** @returns A name that may be anything, for an error text. */
export function showQueueName(queueName: unknown): string {
  if (typeof queueName !== "string") return showValue(queueName);
  return queueName.length > MAX_SHOWN
    ? `${JSON.stringify(queueName.slice(0, MAX_SHOWN))}…`
    : JSON.stringify(queueName);
}

function invalidity(queueName: unknown): string | undefined {
  if (typeof queueName !== "string" || !QUEUE_NAME.test(queueName)) {
    return 'names start with a letter or underscore and hold letters, digits, "." "_" "-"';
  }
  if (queueName.length > MAX_QUEUE_NAME_LENGTH) {
    return `it has ${queueName.length} characters, and no more than ${MAX_QUEUE_NAME_LENGTH} leave ` +
      "room for the suffixes of the queues that belong to it";
  }
  return RESERVED.find(([pattern]) => pattern.test(queueName))?.[1];
}

function refusal(purpose: string, queueName: unknown, reason: string): TypeError {
  return new TypeError(`Cannot ${purpose} ${showQueueName(queueName)}: ${reason}`);
}

/** The part of a message that names its queue. */
interface Routed {
  readonly queueName: string;
  /** A changed copy. */
  copy(changes: { queueName: string; options: { eta: number } }): unknown;
}

/**
 * Checks the queue of a message, and returns the delay queue for a delayed one.
 *
 * @param message What to send.
 * @param delay Milliseconds, if it is to be delayed.
 * @param clock The clock for the delay.
 * @returns The message, or a changed copy.
 * @throws {TypeError} If its queue name is neither that of a queue nor that of a delay queue.
 * @throws {RangeError} If the eta is out of range.
 */
export function toQueued<M extends Routed>(
  message: M,
  delay: number | undefined,
  clock: Clock,
): M {
  const { queueName } = message;
  if (delay === undefined) {
    assertQueueOrDelayQueueName(queueName, "send to queue");
    return message;
  }
  const delayQueue = delayQueueName(queueName); // of q.XQ it is q.DQ, as in Python
  assertQueueOrDelayQueueName(delayQueue, "send to queue");
  const eta = clock.now() + Math.round(delay);
  if (!Number.isSafeInteger(eta)) {
    throw new RangeError(`Cannot delay a message by ${delay} ms: the date is out of range`);
  }
  return message.copy({ queueName: delayQueue, options: { eta } }) as M;
}
