import { AssertionError } from "./assertion_error.ts";
import type { Kwargs } from "../core/message_dict.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { differencesOf, isRecord, mayAccept, show } from "./differences.ts";
import type { EnqueuedMessage, EnqueuedMessages } from "./enqueued.ts";

/** An argument that is expected: the value, or a function that tells whether it accepts one. */
export type Expected<T> = T | ((value: T) => boolean);

/** Expected message. What is left out may be anything. */
export interface ExpectedMessage<P extends readonly unknown[] = readonly unknown[]> {
  /** All positional arguments; each may be a function that tells whether it accepts the value. */
  args?: { readonly [I in keyof P]: Expected<P[I]> };
  /** All keyword arguments. */
  kwargs?: Kwargs;
  /** The delay that it was sent with; 0 and none are not the same. */
  delay?: Duration;
  /** The queue. */
  queueName?: string;
  /** Number of such messages that were sent. @default One or more. */
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

/** Messages that a text lists. */
const MAX_LISTED = 10;
/** Differences of one message that a text lists. */
const MAX_DIFFERENCES = 3;

/** A message that is not as expected, and why. */
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
 * @param expected What else is expected.
 * @param caller The function that the error leads to.
 * @returns The messages that are as expected, in order.
 * @throws {AssertionError} If there is none, or not as many as expected.
 */
export function assertEnqueued(
  sent: EnqueuedMessages,
  actorName: string,
  expected: ExpectedMessage,
  // deno-lint-ignore ban-types -- as captureStackTrace has it
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
 * Asserts that no such message was sent.
 *
 * @param sent All messages.
 * @param actorName The actor.
 * @param expected What else the message would be.
 * @param caller The function that the error leads to.
 * @throws {AssertionError} If there is one.
 */
export function assertNotEnqueued(
  sent: EnqueuedMessages,
  actorName: string,
  expected: ExpectedMessage,
  // deno-lint-ignore ban-types -- as captureStackTrace has it
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
  // Of both, all at once may be a matcher or a function, too.
  const isAsked = (value: unknown) => value === undefined || mayAccept(value);
  if (!isAsked(args) && !Array.isArray(args)) refuse("args", args, "an array");
  if (!isAsked(kwargs) && !isRecord(kwargs)) refuse("kwargs", kwargs, "an object");
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

/** Differences between a message and what is expected, its actor left out. */
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
