/**
 * Reads the captures in `tests/vectors/`: what Python has and JSON has not is
 * written there with tags. See "Conventions" in `protocol/README.md`.
 *
 * @module
 */

/** A Python value as the captures write it down. */
export type Tagged = unknown;

/** Floats that plain JSON would lose, by their text in the captures. */
const FLOAT_NAMES: Readonly<Record<string, number>> = {
  nan: NaN,
  inf: Infinity,
  "-inf": -Infinity,
};

/**
 * The JavaScript value nearest to a captured one: `1.0` is 1, big integers are the
 * nearest number, tuples and sets are arrays, bytes are a `Uint8Array`.
 *
 * @param tagged A value of a capture.
 * @returns The value without tags.
 * @throws {TypeError} If JavaScript has nothing like it.
 */
export function untag(tagged: Tagged): unknown {
  if (typeof tagged !== "object" || tagged === null) return tagged;
  if (Array.isArray(tagged)) return tagged.map(untag);
  const entries = Object.entries(tagged);
  const [name, content] = entries[0] ?? [""];
  if (entries.length === 1 && name.startsWith("$")) return untagOne(name, content);
  // Unlike an assignment, this makes an own property of `__proto__`.
  return Object.fromEntries(entries.map(([key, value]) => [key, untag(value)]));
}

function untagOne(tag: string, content: unknown): unknown {
  switch (tag) {
    case "$int":
      return Number(content);
    case "$float":
      return FLOAT_NAMES[content as string] ?? Number(content);
    case "$tuple":
    case "$set":
      return (content as unknown[]).map(untag);
    case "$bytes":
      return fromBase64(content as string);
    case "$pairs":
      return Object.fromEntries(
        (content as [Tagged, Tagged][]).map(([key, value]) => [keyText(key), untag(value)]),
      );
    default:
      throw new TypeError(`Cannot untag ${tag}: JavaScript has nothing like it`);
  }
}

/** A dict's key as Python's JSON has it: `1`, `None` and `2.0` become text. */
function keyText(key: Tagged): string {
  if (typeof key !== "object" || key === null) return String(key);
  const [tag, content] = Object.entries(key)[0] as [string, string];
  if (tag !== "$int" && tag !== "$float") {
    throw new TypeError(`Cannot use a ${tag} as a key: JSON has text only`);
  }
  return tag === "$float" && content in FLOAT_NAMES ? String(FLOAT_NAMES[content]) : content;
}

/**
 * Reads bytes that a capture holds as text.
 *
 * @param text Base64.
 * @returns The bytes.
 */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** A message's seven fields as a capture writes them. */
export interface TaggedMessage {
  readonly queue_name: string;
  readonly actor_name: string;
  readonly args: readonly Tagged[];
  readonly kwargs: Tagged;
  readonly options: Tagged;
  readonly message_id: string;
  readonly message_timestamp: number;
}

/** An entry of `cases` in messages.json. */
export interface MessageCase {
  readonly label: string;
  readonly input: TaggedMessage;
  readonly utf8: string;
  readonly base64: string;
  readonly decoded: TaggedMessage | "same as input";
}

/** Outcome of bytes in Python: a value, or the class of an exception. */
export interface Decoding {
  readonly value?: Tagged;
  readonly message?: TaggedMessage | "<decodes>";
  readonly raises?: string;
}

/** An entry of `decode_cases` in messages.json. */
export interface DecodeCase {
  readonly label: string;
  readonly base64?: string;
  readonly template?: string;
  readonly encoder_decode: Decoding;
  readonly message_decode: Decoding;
}

/** messages.json. */
export interface MessageVectors {
  readonly cases: readonly MessageCase[];
  readonly decode_cases: readonly DecodeCase[];
  readonly unencodable: readonly { readonly label: string; readonly raises: string }[];
}
