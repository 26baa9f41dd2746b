import { AssertionError } from "./assertion_error.ts";
import type { Kwargs } from "../core/message_dict.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { differencesOf, isRecord, mayAccept, show } from "./differences.ts";
import type { EnqueuedMessage, EnqueuedMessages } from "./enqueued.ts";

/** An expected argument: the value, or a function that returns true for accepted values. */
export type Expected<T> = T | ((value: T) => boolean);

/** Expected message. Fields that are omitted are not compared. */
export interface ExpectedMessage<P extends readonly unknown[] = readonly unknown[]> {
  /** All positional arguments; each may be a function that returns true for accepted values. */
  args?: { readonly [I in keyof P]: Expected<P[I]> };
  /** All keyword arguments. */
  kwargs?: Kwargs;
  /** The delay it was sent with; 0 differs from none. */
  delay?: Duration;
  /** The queue. */
  queueName?: string;
  /** Number of matching messages. @default One or more. */
  times?: number;
}

const KNOWN_OPTIONS: KnownOptions<ExpectedMessage> = {
  args: true,
  kwargs: true,
  delay: true,
  queueName: true,
  times: true,
};
const KNOWN_NOT_OPTIONS: KnownOptions<Omit<ExpectedMessage, "times">> = {
  args: true,
  kwargs: true,
  delay: true,
  queueName: true,
};

/** Maximum of messages in an error. */
const MAX_LISTED = 10;
/** Maximum of differences per message in an error. */
const MAX_DIFFERENCES = 3;

/** A message that does not match, with the differences. */
interface Miss {
  readonly message: EnqueuedMessage;
  readonly differences: readonly string[];
  readonly isOfActor: boolean;
}

/**
 * Asserts that a message was sent.
 *
 * @param sent All messages.
 * @param actorName Its actor.
 * @param expected Its other expected fields.
 * @param caller The stack of the error begins with the caller of this function.
 * @returns The messages that match, in order.
 * @throws {AssertionError} If none matches, or not the expected number.
 */
export function assertEnqueued(
  sent: EnqueuedMessages,
  actorName: string,
  expected: ExpectedMessage,
  // deno-lint-ignore ban-types -- the type of captureStackTrace
  caller: Function,
): EnqueuedMessage[] {
  checkExpected(expected, KNOWN_OPTIONS);
  const { times } = expected;
  const found = sent.of(actorName).filter((one) => mismatches(one, expected).length === 0);
  if (times === undefined ? found.length > 0 : found.length === times) return found;
  const wanted = times === undefined ? "" : ` ${count(times, "time")}`;
  const was = found.length === 0 ? "was not" : `was ${count(found.length, "time")}`;
  const lines = [
    `Expected ${describe(actorName, expected)} to be enqueued${wanted}, but it ${was}`,
    ...listOthers(sent.all.filter((one) => !found.includes(one)), actorName, expected),
  ];
  throw new AssertionError(lines.join("\n"), caller);
}

/**
 * Asserts that no matching message was sent.
 *
 * @param sent All messages.
 * @param actorName The actor.
 * @param expected The other fields to match.
 * @param caller The stack of the error begins with the caller of this function.
 * @throws {AssertionError} If a message matches.
 */
export function assertNotEnqueued(
  sent: EnqueuedMessages,
  actorName: string,
  expected: ExpectedMessage,
  // deno-lint-ignore ban-types -- the type of captureStackTrace
  caller: Function,
): void {
  checkExpected(expected, KNOWN_NOT_OPTIONS as KnownOptions<ExpectedMessage>);
  const found = sent.of(actorName).filter((one) => mismatches(one, expected).length === 0);
  if (found.length === 0) return;
  const lines = [
    `Expected ${describe(actorName, expected)} not to be enqueued, but it was ${
      count(found.length, "time")
    }:`,
    ...list(found.map((one) => showCall(one))),
  ];
  throw new AssertionError(lines.join("\n"), caller);
}

function checkExpected(expected: ExpectedMessage, known: KnownOptions<ExpectedMessage>): void {
  checkKnownOptions("compare messages", expected, known);
  const { args, kwargs, delay, queueName, times } = expected;
  const refuse = (name: string, value: unknown, rule: string) => {
    throw new TypeError(`Cannot compare messages: ${name} must be ${rule}, not ${show(value)}`);
  };
  // A single matcher or function may also stand for all of `args` or `kwargs`.
  const isMatched = (value: unknown) => value === undefined || mayAccept(value);
  if (!isMatched(args) && !Array.isArray(args)) refuse("args", args, "an array");
  if (!isMatched(kwargs) && !isRecord(kwargs)) refuse("kwargs", kwargs, "an object");
  if (delay !== undefined) toMilliseconds(delay, "delay");
  if (queueName !== undefined && typeof queueName !== "string") {
    refuse("queueName", queueName, "a text");
  }
  if (times !== undefined && !(Number.isSafeInteger(times) && times >= 0)) {
    throw new RangeError(
      `Cannot expect ${show(times)} messages: it must be a whole number, 0 or more`,
    );
  }
}

/** Differences between a message and the expected fields, except the actor. */
function mismatches(
  { args, kwargs, delay, queueName }: EnqueuedMessage,
  expected: ExpectedMessage,
): string[] {
  const found: string[] = [];
  if (expected.args !== undefined) found.push(...differencesOf(args, expected.args, "args"));
  if (expected.kwargs !== undefined) {
    found.push(...differencesOf(kwargs, expected.kwargs, "kwargs"));
  }
  if (expected.delay !== undefined) {
    const wanted = toMilliseconds(expected.delay, "delay");
    if (delay !== wanted) found.push(`delay is ${showDelay(delay)}, not ${showDelay(wanted)}`);
  }
  if (expected.queueName !== undefined && queueName !== expected.queueName) {
    found.push(`queue is ${show(queueName)}, not ${show(expected.queueName)}`);
  }
  return found;
}

function listOthers(
  others: readonly EnqueuedMessage[],
  actorName: string,
  expected: ExpectedMessage,
): string[] {
  if (others.length === 0) return ["Nothing else was enqueued"];
  const misses = others.map((message): Miss => ({
    message,
    differences: mismatches(message, expected),
    isOfActor: message.actorName === actorName,
  }));
  misses.sort((a, b) =>
    Number(b.isOfActor) - Number(a.isOfActor) || a.differences.length - b.differences.length
  );
  return ["Enqueued instead, the closest first:", ...list(misses.map(showMiss))];
}

function list(texts: readonly string[]): string[] {
  const shown = texts.slice(0, MAX_LISTED).map((text) => `  ${text}`);
  const left = texts.length - shown.length;
  return left === 0 ? shown : [...shown, `  … and ${left} more`];
}

function showMiss({ message, differences, isOfActor }: Miss): string {
  if (!isOfActor) return `${showCall(message)}: of another actor`;
  const shown = differences.slice(0, MAX_DIFFERENCES).join(", ");
  const left = differences.length - MAX_DIFFERENCES;
  return `${showCall(message)}: ${shown}${left > 0 ? ` and ${left} more` : ""}`;
}

function showCall({ message, delay }: EnqueuedMessage): string {
  return delay === undefined ? String(message) : `${message} in ${showDelay(delay)}`;
}

function describe(actorName: string, expected: ExpectedMessage): string {
  const { args, kwargs, delay, queueName } = expected;
  const texts = args === undefined && kwargs === undefined ? ["…"] : [
    ...mayAccept(args) ? [`args=${show(args)}`] : (args ?? []).map(show),
    ...mayAccept(kwargs)
      ? [`kwargs=${show(kwargs)}`]
      : Object.entries(kwargs ?? {}).map(([name, value]) => `${name}=${show(value)}`),
  ];
  const later = delay === undefined ? "" : ` in ${showDelay(toMilliseconds(delay, "delay"))}`;
  const place = queueName === undefined ? "" : ` on ${show(queueName)}`;
  return `${actorName}(${texts.join(", ")})${later}${place}`;
}

function showDelay(delay: number | undefined): string {
  return delay === undefined ? "none" : `${delay} ms`;
}

function count(number: number, noun: string): string {
  return number === 1 ? `one ${noun}` : `${number} ${noun}s`;
}
