import { showValue } from "../platform/show_value.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { assertKnownOptions, type KnownOptions } from "./known_options.ts";
import { checkUnique, type Unique, type UniqueOptions } from "./unique.ts";

/** Option `debounce` of an actor: of messages with one key in quick succession, the last one runs. */
export interface DebounceOptions {
  /**
   * Makes the key from the arguments of a message.
   *
   * @default All arguments
   */
  by?: UniqueOptions["by"];
  /** Time without a new message of the key after which the last one runs. */
  wait: Duration;
  /**
   * Longest time from the first message until one runs, however many follow.
   *
   * @default {Infinity}
   */
  maxWait?: Duration;
}

const KNOWN_OPTIONS: KnownOptions<DebounceOptions> = { by: true, wait: true, maxWait: true };

/**
 * Checks the option `debounce` of an actor.
 *
 * @param actorName The actor.
 * @param value The option.
 * @param unique The option `unique` of the actor.
 * @returns How its messages are unique; `undefined` if they are not debounced.
 * @throws {TypeError} If it is not an object of known options, or the actor has both options.
 * @throws {RangeError} If a time is not above 0, or `maxWait` is below `wait`.
 */
export function checkDebounce(
  actorName: string,
  value: unknown,
  unique: unknown,
): Unique | undefined {
  if (value === undefined || value === null || value === false) return undefined;
  const text = `Cannot declare actor "${actorName}": its option debounce`;
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new TypeError(`${text} must be an object, not ${showValue(value)}`);
  }
  if (unique !== undefined && unique !== null && unique !== false) {
    throw new TypeError(`${text} makes its messages unique already: take out its option unique`);
  }
  const options = value as DebounceOptions;
  assertKnownOptions(`option debounce of actor "${actorName}"`, options, KNOWN_OPTIONS);
  const { by, wait, maxWait = Infinity } = options;
  if (by !== undefined && typeof by !== "function") {
    throw new TypeError(`${text} has a \`by\` that is no function`);
  }
  if (wait === undefined) throw new TypeError(`${text} needs a wait`);
  const waited = toMilliseconds(wait, "wait");
  if (!(waited > 0)) throw new RangeError(`${text} has wait ${waited} ms, which must be above 0`);
  const longest = maxWait === Infinity ? Infinity : toMilliseconds(maxWait, "maxWait");
  if (!(longest >= waited)) {
    throw new RangeError(
      `${text} has maxWait ${longest} ms, which is below its wait of ${waited} ms`,
    );
  }
  const replacing = checkUnique(actorName, { onDuplicate: "replace" } satisfies UniqueOptions)!;
  return { ...replacing, by, debounce: { wait: waited, maxWait: longest } };
}
