/**
 * Safe handling of thrown values. They may be errors of other realms, strings, `undefined`, or
 * objects that throw at each access.
 *
 * @module
 */

/** Longest class name, in characters. */
const MAX_TYPE_LENGTH = 200;
/** Longest error message, in characters. */
const MAX_MESSAGE_LENGTH = 16_384;

/**
 * The class name of a thrown value, for callbacks, results and logs: `TypeError`,
 * `TimeLimitExceeded`.
 *
 * @param thrown Any thrown value.
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
 * Truncates a long text.
 *
 * @param text Any text.
 * @param limit Number of characters to keep.
 * @returns The text, or its beginning and its length.
 */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit).toWellFormed()}… (${text.length} characters)`;
}

function typeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return thrown === null ? "null" : typeof thrown;
  // A name that is neither the error's nor its class's own is that of a base class.
  const isOwnName = Object.hasOwn(thrown, "name") ||
    Object.hasOwn(Object.getPrototypeOf(thrown), "name");
  return (isOwnName ? thrown.name : thrown.constructor?.name) || thrown.name || "Error";
}

/**
 * The message of a thrown value, for callbacks, results and logs.
 *
 * @param thrown Any thrown value.
 * @returns The message of an error, else the value as text; at most 16 Ki characters.
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

/** Longest traceback, in characters. */
const MAX_TRACEBACK_LENGTH = 16_384;
/** Maximum of errors in a traceback: a `cause` getter can make an endless chain. */
const MAX_CAUSES = 10;
/** Characters of a stack that are parsed. It begins with the message, which may be long. */
const MAX_STACK_LENGTH = 2 ** 18;

/**
 * The `traceback` of a retry or a dead letter: the stacks of the error and of its causes, ending in
 * a line break as Python's does.
 *
 * @param thrown Any thrown value.
 * @param maxLength Characters to keep. @default {16_384} Also the maximum.
 * @returns The text.
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

/**
 * Text of any value, also of those that cannot be converted, such as `Object.create(null)`. Objects
 * without a text of their own, such as `{ code: 5 }`, are written as JSON.
 */
function toText(thrown: unknown): string {
  try {
    const text = String(thrown);
    return text === "[object Object]" ? jsonOf(thrown) ?? text : text;
  } catch {
    return `a value of type ${typeof thrown}`;
  }
}

/** Values of a thrown object that are written; JSON of more is too long anyway. */
const MAX_JSON_VALUES = 2_000;

function jsonOf(thrown: unknown): string | undefined {
  let values = 0;
  try {
    // A deep object, or a `toJSON` without end, takes JavaScriptCore seconds until its stack is full.
    return JSON.stringify(thrown, (_, value) => values++ < MAX_JSON_VALUES ? value : "…");
  } catch {
    return undefined; // a circle, a BigInt
  }
}

/**
 * Replaces thrown values that are not safe to handle.
 *
 * @param thrown Any thrown value.
 * @param origin The code that threw it, for the error text.
 * @returns The same value; an `Error` for `undefined`, `null` and revoked proxies.
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
 * Tests an error against the classes in an option such as `throws`.
 *
 * @param thrown Any thrown value.
 * @param classes An error class, several, or none.
 * @returns Whether it is an instance of one of them.
 */
export function isInstanceOfAny(thrown: unknown, classes: unknown): boolean {
  if (classes === undefined || classes === null) return false;
  try {
    return [classes].flat().some((one) => typeof one === "function" && thrown instanceof one);
  } catch {
    return false; // a revoked proxy
  }
}
