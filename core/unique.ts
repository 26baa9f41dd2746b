import { isToJsonInherited } from "../platform/json_values.ts";
import { showValue } from "../platform/show_value.ts";
import { hexDigest } from "../platform/digest.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { errorMessage } from "../platform/thrown.ts";
import { assertKnownOptions, type KnownOptions } from "./known_options.ts";

/** Option `unique` of an actor: only one message with a given key exists at a time. */
export interface UniqueOptions {
  /**
   * Makes the key from the arguments of a message.
   *
   * @default All arguments
   */
  // deno-lint-ignore no-explicit-any -- whatever the actor takes
  by?: (...args: any[]) => string | number;
  /**
   * When another message with the key may be sent: once this one has `finished`, including its
   * retries; once it has `started`; or, with a time, after that time in any case. With `replace`, it
   * is always `started`.
   *
   * @default {"finished"}
   */
  until?: "started" | "finished" | Duration;
  /**
   * Handling of another message: it is dropped and `send` returns the existing one (`keep`); the
   * existing one runs with its arguments and options, and `send` returns that (`replace`); or `send`
   * throws a `DuplicateMessage`.
   *
   * @default {"keep"}
   */
  onDuplicate?: "keep" | "replace" | "throw";
}

/** Handling of a message while another one with its key exists. */
export type OnDuplicate = "keep" | "replace" | "throw";

/** The part of a message that its key depends on. */
interface Keyed {
  readonly actorName: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Reads an option. */
  option(name: string): unknown;
}

const KNOWN_OPTIONS: KnownOptions<UniqueOptions> = { by: true, until: true, onDuplicate: true };
/** Longest key, in bytes, that is not hashed. */
const LONGEST_KEY = 100;

/** Checked options of an actor whose messages are unique. */
export interface Unique {
  readonly by: UniqueOptions["by"];
  /** Lifetime of a claim in milliseconds, if `until` is a time. */
  readonly until: "started" | "finished" | number;
  readonly onDuplicate: OnDuplicate;
  /** For debounced actors: milliseconds by which each message delays the last one, and at most in all. */
  readonly debounce?: { readonly wait: number; readonly maxWait: number };
}

/**
 * Checks the option `unique` of an actor.
 *
 * @param actorName The actor.
 * @param value The option.
 * @returns The options; `undefined` if its messages are not unique.
 * @throws {TypeError} If it is neither a boolean nor an object of known options.
 * @throws {RangeError} If a time is not above 0.
 */
export function checkUnique(actorName: string, value: unknown): Unique | undefined {
  if (value === undefined || value === null || value === false) return undefined;
  const options: unknown = value === true ? {} : value;
  const refuse = (reason: string) =>
    new TypeError(`Cannot declare actor "${actorName}": its option unique ${reason}`);
  if (typeof options !== "object" || Array.isArray(options)) {
    throw refuse(`must be true or an object, not ${showValue(value)}`);
  }
  assertKnownOptions(
    `option unique of actor "${actorName}"`,
    options as UniqueOptions,
    KNOWN_OPTIONS,
  );
  const { by, onDuplicate = "keep" } = options as UniqueOptions;
  const isReplaced = onDuplicate === "replace";
  const { until = isReplaced ? "started" : "finished" } = options as UniqueOptions;
  if (by !== undefined && typeof by !== "function") throw refuse("has a `by` that is no function");
  if (!isReplaced && onDuplicate !== "keep" && onDuplicate !== "throw") {
    throw refuse(
      `has onDuplicate ${showValue(onDuplicate)}: it must be "keep", "replace" or "throw"`,
    );
  }
  if (isReplaced && until !== "started") {
    throw refuse(
      `has onDuplicate "replace" with until ${showValue(until)}: a message is replaced until it ` +
        'has started, so until must be "started"',
    );
  }
  if (until === "started" || until === "finished") return { by, until, onDuplicate };
  if (typeof until === "string") {
    throw refuse(`has until ${showValue(until)}: it must be "started", "finished" or a time`);
  }
  const milliseconds = toMilliseconds(until, "until");
  if (milliseconds > 0) return { by, until: milliseconds, onDuplicate };
  throw new RangeError(
    `Cannot declare actor "${actorName}": its option unique has until ${milliseconds} ms, which must ` +
      "be above 0",
  );
}

/**
 * Returns the key of a message, which travels in the option `uniqueKey`.
 *
 * @param unique The options of its actor.
 * @param message The message.
 * @returns The key that the message already has, or the key of its arguments.
 * @throws {TypeError} If `by` throws, or returns neither a string nor a number.
 */
export function uniqueKeyOf({ by }: Unique, message: Keyed): string {
  const own = message.option("uniqueKey");
  if (own !== undefined && own !== null) return asKey(message, own);
  if (by === undefined) return shortened(canonicalJson([message.args, message.kwargs]));
  let key: unknown;
  try {
    key = by(...message.args);
  } catch (error) {
    throw new TypeError(
      `Cannot send ${message.actorName}: its unique.by threw ${errorMessage(error)}`,
      { cause: error },
    );
  }
  return asKey(message, key);
}

function asKey({ actorName }: Keyed, key: unknown): string {
  const isKey = typeof key === "string" || typeof key === "number" && Number.isFinite(key);
  if (isKey) return shortened(String(key));
  throw new TypeError(
    `Cannot send ${actorName}: a unique key must be a text or a number, not ${String(key)}`,
  );
}

function shortened(key: string): string {
  return key.length <= LONGEST_KEY ? key : hexDigest("sha256", key);
}

/** Writes JSON with sorted keys, so that equal values give equal texts. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, given) {
    const one = isToJsonInherited() ? this[key] : given;
    if (typeof one === "bigint") return String(one); // the encoder refuses it later, with a clear error
    if (typeof one !== "object" || one === null || Array.isArray(one)) return one;
    return Object.fromEntries(Object.entries(one).toSorted(([a], [b]) => a < b ? -1 : 1));
  });
}
