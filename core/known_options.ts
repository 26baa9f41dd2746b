import { shorten } from "../platform/thrown.ts";
import { showValue } from "../platform/show_value.ts";

/** Maximum of characters of a value in an error. */
const MAX_SHOWN = 100;

/** The names of the options of something; the compiler misses one that is forgotten. */
export type KnownOptions<T> = Readonly<Record<keyof T, true>>;

/** Names here of other spellings of options, besides snake_case. */
export type OtherSpellings = Readonly<Record<string, string>>;

/**
 * Refuses unknown options: a misspelled option, or one of Python's, would otherwise
 * silently mean a default.
 *
 * @param owner The name of the class that takes the options.
 * @param options The options.
 * @param known Its options.
 * @param others Options of peers that have another name here.
 * @throws {TypeError} If the options are no object, or have a name that is not known. The text
 *   lists the known ones, and names the counterpart of another spelling.
 */
export function assertKnownOptions<T>(
  owner: string,
  options: T,
  known: KnownOptions<T>,
  others: OtherSpellings = {},
): void {
  checkKnownOptions(`create ${owner}`, options, known, others);
}

/**
 * As {@linkcode assertKnownOptions}, for the options of a call.
 *
 * @param action What the call does, as in "Cannot drain".
 * @param options The options.
 * @param known Its options.
 * @param others Options of peers that have another name here.
 * @throws {TypeError} As above; or if the option `signal` is no AbortSignal.
 */
export function checkKnownOptions<T>(
  action: string,
  options: T,
  known: KnownOptions<T>,
  others: OtherSpellings = {},
): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(
      `Cannot ${action}: its options must be an object, not ${describe(options)}`,
    );
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) {
      if (name === "signal") assertSignal(action, (options as { signal?: unknown }).signal);
      continue;
    }
    const names = Object.keys(known).toSorted().join(", ");
    throw new TypeError(
      `Cannot ${action}: it has no option ${shorten(name, 100)}${advice(name, known, others)}; ` +
        `its options are ${names}`,
    );
  }
}

/**
 * Refuses what is given for an AbortSignal and is none, such as its AbortController.
 *
 * @param action What the call does, as in "Cannot drain".
 * @param signal The signal, if one is given.
 * @throws {TypeError} If it is no AbortSignal.
 */
export function assertSignal(action: string, signal: unknown): void {
  // No instanceof: it may be of another realm.
  if (signal === undefined) return;
  if (typeof (signal as AbortSignal | null)?.throwIfAborted === "function") return;
  const given = signal instanceof AbortController ? "its AbortController" : show(signal);
  throw new TypeError(`Cannot ${action}: its signal must be an AbortSignal, not ${given}`);
}

/**
 * Refuses options of a wrong type. Many come from the environment, as text: `"60000"` would be
 * appended in a sum, and `"false"` would count as true.
 *
 * @param owner The name of the class that takes the options.
 * @param type The type that each of the options must have.
 * @param options The options.
 * @throws {TypeError} If one has another type.
 */
export function assertTypes(
  owner: string,
  type: "boolean" | "function" | "number" | "string",
  options: Readonly<Record<string, unknown>>,
): void {
  for (const [name, value] of Object.entries(options)) {
    const found = typeof value;
    if (found === type) continue;
    const wanted = type === "boolean" ? "true or false" : `a ${type}`;
    throw new TypeError(
      `Cannot create ${owner}: its ${name} must be ${wanted}, ` +
        `not ${show(value)}`,
    );
  }
}

/**
 * Names the counterpart of an unknown option.
 *
 * @param name The unknown option.
 * @param known The known ones, as the keys of an object.
 * @param others Options of peers that have another name here.
 * @returns Text to append to the name; empty if there is no counterpart.
 */
export function advice(name: string, known: object, others: OtherSpellings = {}): string {
  const camelCase = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const counterpart = Object.hasOwn(others, camelCase)
    ? others[camelCase]
    : Object.hasOwn(known, camelCase)
    ? camelCase
    : undefined;
  return counterpart === undefined ? "" : ` (here: ${counterpart})`;
}

function describe(options: unknown): string {
  if (Array.isArray(options)) return "an array";
  return options === null ? "null" : typeof options === "string" ? "a text" : `a ${typeof options}`;
}

function show(value: unknown): string {
  return shorten(showValue(value), MAX_SHOWN);
}
