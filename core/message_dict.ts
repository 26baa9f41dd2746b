import { isPlainObject } from "../encoders/json/writer.ts";
import { DecodeError } from "./errors.ts";
import type { WireOptions } from "./message_options.ts";
import { showQueueName, whatIsWrongWithQueueName } from "./queue_names.ts";
import { shorten } from "../platform/thrown.ts";

/** Keyword arguments, which only Python callers have: name to value. */
export type Kwargs = Readonly<Record<string, unknown>>;

/** A message in wire form: what an {@linkcode Encoder} encodes. */
export interface MessageDict {
  /** The queue it is on; a delayed message's ends in `.DQ`. */
  readonly queue_name: string;
  /** The actor that it is for. */
  readonly actor_name: string;
  /** Positional arguments. */
  readonly args: readonly unknown[];
  /** Keyword arguments. */
  readonly kwargs: Kwargs;
  /** Options, by their names on the wire. */
  readonly options: WireOptions;
  /** Stays the same through retries and delays. */
  readonly message_id: string;
  /** Milliseconds since the epoch at which the message was made. */
  readonly message_timestamp: number;
}

const FIELD_COUNT = 7;
/** Unknown fields that an error names, and characters of each name. */
const SHOWN_FIELDS = 10;
const MAX_NAME_LENGTH = 100;

/**
 * True if a value is a message in wire form.
 *
 * @returns Whether it is an object of exactly the seven fields; id and timestamp may be missing.
 */
export function isMessageDict(wire: unknown): wire is MessageDict {
  if (typeof wire !== "object" || wire === null) return false;
  const { queue_name, actor_name, args, kwargs, options, message_id, message_timestamp } =
    wire as Partial<MessageDict>;
  const known = FIELD_COUNT - (message_id === undefined ? 1 : 0) -
    (message_timestamp === undefined ? 1 : 0);
  return typeof queue_name === "string" && typeof actor_name === "string" &&
    Array.isArray(args) && isObject(kwargs) && isObject(options) &&
    (typeof message_id === "string" || message_id === undefined) &&
    (typeof message_timestamp === "number" || message_timestamp === undefined) &&
    Object.keys(wire).length === known;
}

/** Pickles hold more kinds of objects than JSON, such as maps and dates: those do not count here. */
function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && isPlainObject(value);
}

/**
 * Checks a decoded message.
 *
 * @param wire The decoded data.
 * @param data The data, for the error.
 * @throws {DecodeError} If it is not a message.
 */
export function toMessageDict(wire: unknown, data: string | Uint8Array): MessageDict {
  if (!isMessageDict(wire)) {
    throw new DecodeError(`Cannot decode message: ${whatIsWrongWith(wire)}`, data);
  }
  const fault = whatIsWrongWithQueueName(wire.queue_name);
  if (fault === undefined) return wire;
  const name = showQueueName(wire.queue_name);
  throw new DecodeError(`Cannot decode message: its queue_name is ${name}, but ${fault}`, data);
}

/** @returns Why something is not a message, for people to read. */
function whatIsWrongWith(wire: unknown): string {
  if (!isObject(wire)) return `it is ${kindOf(wire)}, not an object`;
  const kinds: Record<keyof MessageDict, string> = {
    queue_name: "a string",
    actor_name: "a string",
    args: "an array",
    kwargs: "an object",
    options: "an object",
    message_id: "a string",
    message_timestamp: "a number",
  };
  const fields = wire as Record<string, unknown>;
  for (const [name, kind] of Object.entries(kinds)) {
    const value = fields[name];
    if (value === undefined) {
      if (name === "message_id" || name === "message_timestamp") continue;
      return `its ${name} is missing`;
    }
    if (kindOf(value) !== kind) return `its ${name} is ${kindOf(value)}, not ${kind}`;
  }
  const strange = Object.keys(fields).filter((name) => !Object.hasOwn(kinds, name));
  const shown = strange.slice(0, SHOWN_FIELDS).map((name) => shorten(name, MAX_NAME_LENGTH));
  const more = strange.length > shown.length ? ` and ${strange.length - shown.length} more` : "";
  return `it has unknown fields: ${shown.join(", ")}${more}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return `a ${typeof value}`;
  return isPlainObject(value) ? "an object" : `a ${value.constructor.name}`;
}
