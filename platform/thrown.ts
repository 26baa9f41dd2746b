/**
 * Anything can be thrown: errors of other realms, text, nothing, objects that must not be
 * touched. What handles it goes through here.
 *
 * @module
 */

/** Characters of a class name; more is not a name. */
const MAX_TYPE_LENGTH = 200;
/** Characters of an error's message; more is data that somebody put there. */
const MAX_MESSAGE_LENGTH = 16_384;

/**
 * The class name of whatever was thrown, as callbacks, results and logs name it:
 * `ValueError`, `TypeError`, `TimeLimitExceeded`.
 *
 * @param thrown Anything that a `catch` clause may get.
 * @returns The name, never empty.
 */
export function errorType(thrown: unknown): string {
  try {
    return shorten(String(typeOf(thrown)), MAX_TYPE_LENGTH);
  } catch {
    return typeof thrown; // a revoked proxy, a name that throws
  }
}

/**
 * Cuts a text that is too long to be read.
 *
 * @param text Any text.
 * @param limit Characters that stay.
 * @returns The text, or its beginning and how long it was.
 */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit).toWellFormed()}… (${text.length} characters)`;
}

function typeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return thrown === null ? "null" : typeof thrown;
  // A name counts if the error or its class set it; an inherited one is that of a base class.
  const isOwnName = Object.hasOwn(thrown, "name") ||
    Object.hasOwn(Object.getPrototypeOf(thrown), "name");
  return (isOwnName ? thrown.name : thrown.constructor?.name) || thrown.name || "Error";
}

/**
 * The message of whatever was thrown, as callbacks, results and logs give it.
 *
 * @param thrown Anything that a `catch` clause may get.
 * @returns Its message, or its text when it is not an error; at most 16 Ki characters of it.
 */
export function errorMessage(thrown: unknown): string {
  return shorten(messageOf(thrown), MAX_MESSAGE_LENGTH);
}

function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : toText(thrown);
  } catch {
    return toText(thrown); // a revoked proxy, a message that throws
  }
}

/** A traceback is for reading; what is longer says nothing more. */
const MAX_TRACEBACK_LENGTH = 16_384;
/** Causes that a traceback names: a getter can make them without end. */
const MAX_CAUSES = 10;
/** Characters of a stack that are looked at: behind a message of its own length, it is cut anyway. */
const MAX_STACK_LENGTH = 2 ** 18;

/**
 * The text that a retry or a dead letter carries as `traceback`: the stack of the
 * error and of its causes, ending in a line break as Python's does.
 *
 * @param thrown Anything that a `catch` clause may get.
 * @param maxLength How much of it, in characters, if that is less than usual.
 * @returns The text, at most 16 KiB of it.
 */
export function formatTraceback(thrown: unknown, maxLength = MAX_TRACEBACK_LENGTH): string {
  const parts: string[] = [];
  const seen = new Set<unknown>();
  let current = thrown;
  do {
    seen.add(current);
    parts.push(stackOf(current));
    current = causeOf(current);
  } while (
    current !== undefined && current !== null && !seen.has(current) && parts.length < MAX_CAUSES
  );
  const text = parts.join("\nCaused by: ");
  const length = Math.min(maxLength, MAX_TRACEBACK_LENGTH);
  return (text.length > length ? `${text.slice(0, length)}…` : text) + "\n";
}

function causeOf(thrown: unknown): unknown {
  try {
    return thrown instanceof Error ? thrown.cause : undefined;
  } catch {
    return undefined;
  }
}

function stackOf(thrown: unknown): string {
  const head = `${errorType(thrown)}: ${errorMessage(thrown)}`;
  let stack: unknown;
  try {
    stack = thrown instanceof Error ? thrown.stack : undefined;
  } catch {
    return head;
  }
  if (typeof stack !== "string") return head;
  // V8 puts the head into the stack, under the name at construction; JavaScriptCore leaves it out.
  const frames = stack.slice(0, MAX_STACK_LENGTH).split("\n").filter((line) =>
    /^\s+at |^[^\s]*@/.test(line)
  );
  return frames.length > 0 ? `${head}\n${frames.join("\n")}` : head;
}

/** Text of anything, also of what refuses to be one, such as `Object.create(null)`. */
function toText(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return `a value of type ${typeof thrown}`;
  }
}

/**
 * Makes anything that was thrown safe to handle.
 *
 * @param thrown Anything that a `catch` clause may get.
 * @param origin Who threw it, for the text.
 * @returns The same, unless it is nothing at all, or must not be touched (a revoked proxy).
 */
export function toThrown(thrown: unknown, origin: string): unknown {
  try {
    if (thrown instanceof Error || (thrown !== undefined && thrown !== null)) return thrown;
  } catch {
    return new Error(`${origin} threw a value that cannot be inspected`);
  }
  return new Error(`${origin} threw ${thrown}`);
}

/**
 * Tells whether an error is one of those that an actor names, in its `throws` for example.
 *
 * @param thrown Anything that a `catch` clause may get.
 * @param classes An error class, several, or none.
 * @returns Whether it is of one of them, or below one.
 */
export function isInstanceOfAny(thrown: unknown, classes: unknown): boolean {
  if (classes === undefined || classes === null) return false;
  try {
    return [classes].flat().some((one) => typeof one === "function" && thrown instanceof one);
  } catch {
    return false; // a revoked proxy
  }
}
