import { shorten } from "../platform/thrown.ts";
import { showValue } from "../platform/show_value.ts";

/** Maximum of characters of a value in an error. */
const MAX_SHOWN = 100;

/** Types of options that are told by a method, and that method. */
const OBJECTS = {
  AbortSignal: "throwIfAborted",
  Broker: "enqueue",
  Clock: "now",
  Encoder: "decode",
} as const;

/** Words for the other types of options. */
const TYPES = {
  boolean: "true or false",
  function: "a function",
  list: "a list",
  number: "a number",
  string: "a string",
} as const;

/** Type that an option must have; `true` for an option that its owner checks. */
export type OptionType = true | keyof typeof OBJECTS | keyof typeof TYPES;

/** The names and types of the options of something; the compiler misses one that is forgotten. */
export type KnownOptions<T> = Readonly<Record<keyof T, OptionType>>;

/** Names here of other spellings of options, besides snake_case. */
export type OtherSpellings = Readonly<Record<string, string>>;

/**
 * Refuses unknown options, and those of a wrong type: a misspelled option, or one of Python's, would
 * otherwise silently mean a default, and `"false"` would count as true.
 *
 * @param owner The name of the class that takes the options.
 * @param options The options.
 * @param known Its options.
 * @param others Options of peers that have another name here.
 * @throws {TypeError} If the options are no object, or have a name that is not known. The text
 *   lists the known ones, and names the counterpart of another spelling. Or if an option has another
 *   type than its known one.
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
 * @throws {TypeError} As above.
 */
export function checkKnownOptions<T>(
  action: string,
  options: T,
  known: KnownOptions<T>,
  others: OtherSpellings = {},
): void {
  assertOptions(action, options);
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) {
      assertType(action, name, (options as Record<string, unknown>)[name], known[name as keyof T]);
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
 * As {@linkcode checkKnownOptions}, for calls on the path of each message: it allocates nothing, and
 * checks names alone.
 *
 * @param action What the call does, as in "Cannot drain".
 * @param options The options.
 * @param known Its options.
 * @throws {TypeError} If the options are no object, or have a name that is not known.
 */
export function checkNames<T extends object>(
  action: string,
  options: T,
  known: KnownOptions<T>,
): void {
  assertOptions(action, options);
  for (const name in options) {
    // A library may have extended the prototype of all objects: own names alone count.
    if (!Object.hasOwn(known, name)) checkKnownOptions(action, options, known);
  }
}

/**
 * Refuses options that are no object, such as a delay in their place.
 *
 * @param action What the call does, as in "Cannot drain".
 * @param options The options.
 * @throws {TypeError} If they are no object.
 */
export function assertOptions(action: string, options: unknown): asserts options is object {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return;
  throw new TypeError(`Cannot ${action}: its options must be an object, not ${describe(options)}`);
}

/**
 * Refuses a signal that is no AbortSignal, such as its AbortController.
 *
 * @param action What the call does, as in "Cannot drain".
 * @param signal The signal, if one is given.
 * @throws {TypeError} If it is no AbortSignal.
 */
export function assertSignal(action: string, signal: unknown): void {
  // Workers pass the same one for each batch.
  if (typeof (signal as AbortSignal | undefined)?.throwIfAborted === "function") return;
  assertType(action, "signal", signal, "AbortSignal");
}

/**
 * Refuses an option of a wrong type. Many come from the environment, as text: `"60000"` would be
 * appended in a sum, and `"false"` would count as true.
 *
 * @param action What the call does, as in "Cannot drain".
 * @param name The name of the option.
 * @param value Its value, if it is given.
 * @param type The type that it must have.
 * @throws {TypeError} If it has another type.
 */
export function assertType(action: string, name: string, value: unknown, type: OptionType): void {
  if (value === undefined || type === true || hasType(value, type)) return;
  const wanted = isObjectType(type) ? `${/^[AE]/.test(type) ? "an" : "a"} ${type}` : TYPES[type];
  throw new TypeError(`Cannot ${action}: its ${name} must be ${wanted}, not ${showOption(value)}`);
}

function hasType(value: unknown, type: Exclude<OptionType, true>): boolean {
  if (type === "list") return Array.isArray(value);
  if (!isObjectType(type)) {
    const found: string = typeof value;
    return found === type;
  }
  // No instanceof: it may be of another realm, or of another copy of the library.
  return typeof (value as Record<string, unknown> | null)?.[OBJECTS[type]] === "function";
}

function isObjectType(type: Exclude<OptionType, true>): type is keyof typeof OBJECTS {
  return Object.hasOwn(OBJECTS, type);
}

/** Shows an option of a wrong type; of an object only the class, as its fields may be secret. */
function showOption(value: unknown): string {
  if (typeof value !== "object" || value === null) return show(value);
  if (value instanceof AbortController) return "its AbortController";
  return Array.isArray(value) ? show(value) : `an object of class ${value.constructor?.name}`;
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
