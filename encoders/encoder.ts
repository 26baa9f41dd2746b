import { Buffer } from "node:buffer";
import { DecodeError } from "../core/errors.ts";
import { errorMessage } from "../platform/thrown.ts";
import { assertDepth, hasEscapedKey, parseJsonExactly } from "./json/parser.ts";
import { writeMessage } from "./json/message.ts";
import { MAX_DEPTH, writeJson } from "./json/writer.ts";
import type { MessageDict } from "../core/message_dict.ts";

/** Encoded data: text where the format is text, else bytes. */
export type Encoded = string | Uint8Array;

/**
 * Turns messages and results into what brokers and backends store, and back.
 * Producers and workers of a queue must use the same one. Extend it or implement it.
 *
 * @example Text that a program can search
 * ```ts
 * import { type Encoder, setEncoder } from "@dq/dramatiq";
 *
 * const indented: Encoder = {
 *   encode: (value) => JSON.stringify(value, null, 2),
 *   decode: (data) => JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data)),
 * };
 * setEncoder(indented);
 * ```
 */
export abstract class Encoder {
  /**
   * Writes a value.
   *
   * @param value A message's wire form, or a result.
   * @returns Text or bytes.
   * @throws {TypeError} If the format cannot carry the value.
   */
  abstract encode(value: unknown): Encoded;

  /**
   * Reads a value.
   *
   * @param data The stored data: usually bytes, or the text that `encode` made.
   * @returns The value.
   * @throws {DecodeError} If the data is not of this format.
   */
  abstract decode(data: Encoded): unknown;

  /**
   * As `encode`, for the wire form of a message: the format may have a faster way.
   *
   * @throws {TypeError} If the format cannot carry an argument or option.
   */
  encodeMessage?(message: MessageDict): Encoded;

  /**
   * As `decode`, for a value that will be encoded again: the result must then be the original
   * data, even where plain JavaScript values cannot hold all of it.
   */
  decodeExactly?(data: Encoded): unknown;
}

const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Finds texts that `JSON.parse` and back could change: numbers such as `1.0`, `-0`,
 * `1e5` or beyond 2 ** 53, and keys that look like integers. May find others too.
 */
const MAY_LOSE = /[[,:]\s*(?:-0[\s,\]}]|-?\d+(?:\.0|(?:\.\d+)?[eE])|-?\d{16})|"\d+"\s*:/;

/** A text this short cannot hold more than `MAX_DEPTH` brackets and their partners. */
const SHALLOW_LENGTH = 2 * MAX_DEPTH;

/**
 * The default encoder: JSON in the very bytes that Python dramatiq's
 * `JSONEncoder` writes.
 *
 * Numbers become JavaScript numbers, so integers beyond 2 ** 53 lose digits
 * inside an actor; a message that passes through (a retry, the next message of a
 * pipeline, an argument of a callback) keeps them.
 *
 * Source: `tests/vectors/messages.json`.
 *
 * @example Bytes as Python writes them
 * ```ts
 * import { JSONEncoder } from "@dq/dramatiq";
 *
 * const encoder = new JSONEncoder();
 * console.log(encoder.encode({ name: "café", sizes: [1, 2.5] })); // {"name":"caf\u00e9","sizes":[1,2.5]}
 * ```
 */
export class JSONEncoder implements Encoder {
  /**
   * Writes a value.
   *
   * @param value `null`, booleans, numbers, strings, and arrays and plain objects of them.
   * @returns ASCII text.
   * @throws {TypeError} If the value holds anything else; the text names the place.
   */
  encode(value: unknown): string {
    return writeJson(value);
  }

  /**
   * Writes a message, faster.
   *
   * @param message A message in wire form.
   * @returns The same text as `encode`.
   * @throws {TypeError} If it holds what JSON cannot carry; the text names the place.
   */
  encodeMessage(message: MessageDict): string {
    return writeMessage(message);
  }

  /**
   * Reads a value.
   *
   * @param data UTF-8 bytes, or text.
   * @returns The value; `NaN` and `Infinity` are read as Python writes them.
   * @throws {DecodeError} If it is not UTF-8 or not JSON, or nested too deep.
   */
  decode(data: Encoded): unknown {
    const text = toText(data);
    if (hasEscapedKey(text)) return parseExactly(text, data);
    try {
      const value = JSON.parse(text) as unknown;
      if (text.length > SHALLOW_LENGTH) assertShallow(value, 0);
      return value;
    } catch {
      // Python's NaN and Infinity are not JSON; the exact parser also gives a better error.
      return parseExactly(text, data);
    }
  }

  /**
   * Reads a value that will be written again.
   *
   * @param data UTF-8 bytes, or text.
   * @returns The value, which `encode` writes with its original numbers and keys.
   * @throws {DecodeError} If it is not UTF-8 or not JSON, or nested too deep.
   */
  decodeExactly(data: Encoded): unknown {
    const text = toText(data);
    return MAY_LOSE.test(text) ? parseExactly(text, data) : this.decode(data);
  }
}

function toText(data: Encoded): string {
  if (typeof data === "string") return data;
  // Several times as fast as a TextDecoder on Deno. It replaces invalid UTF-8.
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
  if (!text.includes("\ufffd")) return text;
  try {
    return utf8.decode(data);
  } catch (error) {
    throw new DecodeError("Cannot decode data: it is not UTF-8", data, { cause: error });
  }
}

function parseExactly(text: string, data: Encoded): unknown {
  try {
    return parseJsonExactly(text);
  } catch (error) {
    throw new DecodeError(`Cannot decode data: ${errorMessage(error)}`, data, { cause: error });
  }
}

/** Refuses values nested too deeply to be written again: `JSON.parse` knows no limit, the writer does. */
function assertShallow(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  assertDepth(depth);
  if (Array.isArray(value)) {
    for (const item of value) assertShallow(item, depth + 1);
  } else {
    for (const key in value) assertShallow((value as Record<string, unknown>)[key], depth + 1);
  }
}

let globalEncoder: Encoder = /* @__PURE__ */ new JSONEncoder();

/**
 * The encoder of this process.
 *
 * @returns A {@linkcode JSONEncoder} unless another one was set.
 */
export function getEncoder(): Encoder {
  return globalEncoder;
}

/**
 * Sets the encoder of this process. Do so before anything is sent or received.
 *
 * @param encoder The encoder that all peers of the queues use.
 * @throws {TypeError} If it is none.
 */
export function setEncoder(encoder: Encoder): void {
  if (typeof encoder?.encode !== "function" || typeof encoder.decode !== "function") {
    throw new TypeError(
      `Cannot set encoder ${describe(encoder)}: it must be an object with encode and decode`,
    );
  }
  globalEncoder = encoder;
}

function describe(value: unknown): string {
  return typeof value === "function" ? `class ${value.name}` : String(value);
}
