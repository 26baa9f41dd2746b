import { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";

/** Content to publish. */
export interface Content {
  readonly body: Encoded;
  /** Its length in bytes. */
  readonly length: number;
  readonly queueName: string;
  /** The property `priority`, if it has one. */
  readonly priority: number | undefined;
  /** The property `headers`, as `fieldTable` writes it, if it has one. */
  readonly headers: Uint8Array | undefined;
}

const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const END = 0xce;
/** Type, channel and length before each frame's payload, and the end after it. */
const OVERHEAD = 8;
const CLASS_BASIC = 60;
const METHOD_PUBLISH = 40;
const PERSISTENT = 2;
/** Flags of the properties that a message has. */
const HAS_HEADERS = 1 << 13;
const HAS_DELIVERY_MODE = 1 << 12;
const HAS_PRIORITY = 1 << 11;
/** Length of the header frame's payload without properties: class, weight, body size, flags. */
const HEADER_LENGTH = 14;

/**
 * Writes messages as frames of AMQP 0-9-1, many into one buffer.
 *
 * amqplib makes six small buffers of each message and passes them through two streams, which takes
 * several times as long; and it cannot omit the headers, as Python does.
 *
 * Source: "AMQP 0-9-1 Specification", 4.2 and 1.8.3.3; `tests/vectors/rabbitmq_broker.json`.
 */
export class PublishFrames {
  readonly #channel: number;
  readonly #isMandatory: boolean;
  /** Maximum length of a frame's payload. */
  readonly #frameMax: number;
  /** Cache of the method frames by queue. */
  readonly #methods: Map<string, Buffer> = new Map();

  /**
   * Stores the common fields of all frames of a channel.
   *
   * @param channel Its number.
   * @param frameMax Maximum length of a frame.
   * @param isMandatory True to have the server return messages without a queue.
   */
  constructor(channel: number, frameMax: number, isMandatory: boolean) {
    this.#channel = channel;
    this.#frameMax = frameMax - OVERHEAD;
    this.#isMandatory = isMandatory;
  }

  /** Number of bytes that `write` writes for a message. */
  size({ queueName, length, priority, headers }: Content): number {
    const frames = length <= this.#frameMax ? +(length > 0) : Math.ceil(length / this.#frameMax);
    return this.#method(queueName).length + OVERHEAD + HEADER_LENGTH + 1 +
      (priority === undefined ? 0 : 1) + (headers?.length ?? 0) + frames * OVERHEAD + length;
  }

  /**
   * Writes a message.
   *
   * @param target A buffer with room for it.
   * @param start Offset of its first byte.
   * @returns Offset after its last byte.
   */
  write(target: Buffer, start: number, content: Content): number {
    const method = this.#method(content.queueName);
    target.set(method, start);
    const end = this.#writeHeader(target, start + method.length, content);
    return this.#writeBody(target, end, content);
  }

  #writeHeader(target: Buffer, start: number, content: Content): number {
    const { length, priority, headers } = content;
    const payload = HEADER_LENGTH + 1 + (priority === undefined ? 0 : 1) + (headers?.length ?? 0);
    let at = this.#writeStart(target, start, HEADER, payload);
    at = target.writeUInt32BE(CLASS_BASIC << 16, at);
    at = target.writeUInt32BE(Math.floor(length / 2 ** 32), at);
    at = target.writeUInt32BE(length % 2 ** 32, at);
    at = target.writeUInt16BE(
      HAS_DELIVERY_MODE | (priority === undefined ? 0 : HAS_PRIORITY) |
        (headers === undefined ? 0 : HAS_HEADERS),
      at,
    );
    if (headers !== undefined) {
      target.set(headers, at);
      at += headers.length;
    }
    target[at++] = PERSISTENT;
    if (priority !== undefined) target[at++] = priority;
    target[at++] = END;
    return at;
  }

  #writeBody(target: Buffer, start: number, { body, length }: Content): number {
    let at = start;
    if (length > 0 && length <= this.#frameMax) {
      at = this.#writeStart(target, at, BODY, length);
      // ASCII is written as Latin-1, which is faster.
      if (typeof body === "string") {
        target.write(body, at, body.length === length ? "latin1" : "utf8");
      } else target.set(body, at);
      at += length;
      target[at++] = END;
      return at;
    }
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    for (let from = 0; from < length; from += this.#frameMax) {
      const part = bytes.subarray(from, from + this.#frameMax);
      at = this.#writeStart(target, at, BODY, part.length);
      target.set(part, at);
      at += part.length;
      target[at++] = END;
    }
    return at;
  }

  #writeStart(target: Buffer, start: number, type: number, length: number): number {
    target[start] = type;
    target.writeUInt16BE(this.#channel, start + 1);
    return target.writeUInt32BE(length, start + 3);
  }

  #method(queueName: string): Buffer {
    let frame = this.#methods.get(queueName);
    if (frame === undefined) {
      const name = Buffer.from(queueName);
      if (name.length > 255) {
        throw new TypeError(`Cannot publish to "${queueName}": names have at most 255 bytes`);
      }
      const payload = 9 + name.length;
      frame = Buffer.alloc(payload + OVERHEAD);
      let at = this.#writeStart(frame, 0, METHOD, payload);
      at = frame.writeUInt16BE(CLASS_BASIC, at);
      at = frame.writeUInt16BE(METHOD_PUBLISH, at);
      at += 3; // a reserved field, and the empty name of the default exchange
      frame[at++] = name.length;
      frame.set(name, at);
      at += name.length;
      frame[at++] = this.#isMandatory ? 1 : 0;
      frame[at] = END;
      this.#methods.set(queueName, frame);
    }
    return frame;
  }
}
