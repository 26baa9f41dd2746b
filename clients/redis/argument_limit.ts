import { Buffer } from "node:buffer";
import { errorMessage } from "../../platform/thrown.ts";
import type { RedisArgument, RedisReply } from "./reply.ts";
import { ArgumentTooLarge, isReply } from "./errors.ts";

/** Bytes of an argument that every server accepts: the limit cannot be set lower. */
const ALWAYS_FITS = 1_048_576;
/** Number of characters that never need more bytes than that in UTF-8. */
const ALWAYS_FITS_AS_TEXT = /* @__PURE__ */ Math.floor(ALWAYS_FITS / 3);
/** Maximum of bytes of the next command that the server may have in the same buffer. */
const READ_AHEAD = 32 * 1024;

/** Sends a command. */
type SendCommand = (command: string, ...args: string[]) => Promise<RedisReply>;

/**
 * Maximum of bytes that a server accepts in one argument of a command. At a larger one it closes the
 * connection, usually before the client has read the error, and all pending commands fail. So its limits
 * are read before the first large argument of each connection.
 *
 * Source: `proto-max-bulk-len` and `client-query-buffer-limit` in Redis's own `redis.conf`.
 */
export class ArgumentLimit {
  /** In bytes; `undefined` until it was read. */
  #limit: number | undefined;
  #learning: Promise<number> | undefined;

  /** True if it was read. */
  get isKnown(): boolean {
    return this.#limit !== undefined;
  }

  /** Drops the limit: the next connection may be to another server. */
  forget(): void {
    this.#limit = undefined;
    this.#learning = undefined;
  }

  /**
   * Reads the limit, or waits for the reading that is pending.
   *
   * @param send Sends a command.
   */
  async learn(send: SendCommand): Promise<number> {
    const learning = this.#learning ??= readLimit(send);
    try {
      const limit = await learning;
      if (this.#learning === learning) this.#limit = limit;
      return limit;
    } catch (error) {
      if (this.#learning === learning) this.#learning = undefined;
      throw error;
    }
  }

  /**
   * Rejects arguments that are too large for the server.
   *
   * @param purpose Purpose of the command: the end of "Cannot …".
   * @param args The arguments.
   * @param limit The limit in bytes.
   * @throws {ArgumentTooLarge} If one of them is too large.
   */
  check(purpose: string, args: readonly RedisArgument[], limit = this.#limit!): void {
    for (const arg of args) {
      if (!isLargeArgument(arg)) continue;
      const bytes = typeof arg === "string" ? Buffer.byteLength(arg) : arg.length;
      if (bytes > limit) throw new ArgumentTooLarge(purpose, bytes, limit);
    }
  }
}

async function readLimit(send: SendCommand): Promise<number> {
  const numberOf = async (name: string) => {
    const [, value] = await send("config", "get", name) as readonly unknown[];
    return Number(String(value ?? Infinity));
  };
  try {
    const [ofArgument, ofBuffer] = await Promise.all([
      numberOf("proto-max-bulk-len"),
      numberOf("client-query-buffer-limit"),
    ]);
    return Math.min(ofArgument, ofBuffer - READ_AHEAD);
  } catch (error) {
    // Hosted services without `CONFIG` usually have the default limit of 512 MB.
    if (isReply(error) && /^(ERR|NOPERM)\b/.test(errorMessage(error))) return Infinity;
    throw error;
  }
}

/** True if an argument may be too large for some servers. */
function isLargeArgument(arg: RedisArgument): arg is string | Uint8Array {
  if (typeof arg === "string") return arg.length > ALWAYS_FITS_AS_TEXT;
  return typeof arg !== "number" && arg.length > ALWAYS_FITS;
}

/** True if one of the arguments may be too large for some servers. */
export function hasLargeArgument(args: readonly RedisArgument[]): boolean {
  for (const arg of args) {
    if (isLargeArgument(arg)) return true;
  }
  return false;
}
