import type { Buffer } from "node:buffer";
import { exchange, type ServerAddress } from "./exchange.ts";

/** Reply of Redis. An error inside an array is a value there. */
export type RedisReply = string | number | null | Error | RedisReply[];

/**
 * Sends commands to Redis in one go, without a client library that could itself
 * be what is tested.
 *
 * @param address Where Redis listens.
 * @param commands Each with its arguments.
 * @returns What each was answered.
 * @throws {Error} If the connection fails, or any command is answered with an error.
 */
export async function sendCommands(
  address: ServerAddress,
  commands: readonly (readonly (string | number)[])[],
): Promise<RedisReply[]> {
  const request = commands.map((command) => encode(command)).join("");
  const replies = await exchange(address, request, (received) => {
    const reader = new ReplyReader(received);
    const replies = commands.map(() => reader.read());
    return replies.includes(undefined) ? undefined : replies as RedisReply[];
  });
  const error = replies.find((reply) => reply instanceof Error);
  if (error !== undefined) throw error;
  return replies;
}

function encode(command: readonly (string | number)[]): string {
  const parts = command.map((part) => `$${new TextEncoder().encode(`${part}`).length}\r\n${part}`);
  return `*${parts.length}\r\n${parts.join("\r\n")}\r\n`;
}

/** Reads replies from their beginning; gives `undefined` where bytes are missing. */
class ReplyReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  read(): RedisReply | undefined {
    const line = this.#readLine();
    if (line === undefined) return undefined;
    const rest = line.slice(1);
    switch (line[0]) {
      case "+":
        return rest;
      case "-":
        return new Error(`Redis answered: ${rest}`);
      case ":":
        return Number(rest);
      case "$":
        return this.#readText(Number(rest));
      case "*":
        return this.#readArray(Number(rest));
      default:
        throw new Error(`Cannot read a reply of Redis: "${line}" starts none`);
    }
  }

  #readLine(): string | undefined {
    const end = this.#bytes.indexOf("\r\n", this.#offset);
    if (end === -1) return undefined;
    const line = this.#bytes.toString("utf8", this.#offset, end);
    this.#offset = end + 2;
    return line;
  }

  #readText(length: number): string | null | undefined {
    if (length === -1) return null;
    const end = this.#offset + length;
    if (this.#bytes.length < end + 2) return undefined;
    const text = this.#bytes.toString("utf8", this.#offset, end);
    this.#offset = end + 2;
    return text;
  }

  #readArray(length: number): RedisReply[] | null | undefined {
    if (length === -1) return null;
    const items = Array.from({ length }, () => this.read());
    return items.includes(undefined) ? undefined : items as RedisReply[];
  }
}
