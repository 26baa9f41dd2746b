import { Buffer } from "node:buffer";
import { errorMessage } from "../../platform/thrown.ts";
import type { RedisArgument, RedisReply } from "./reply.ts";
import { ArgumentTooLarge, isReply } from "./errors.ts";

/** No limit of Redis can be set below that. */
const ALWAYS_FITS = 1_048_576;
/** Number of characters that are never more bytes than that in UTF-8. */
const ALWAYS_FITS_AS_TEXT = /* @__PURE__ */ Math.floor(ALWAYS_FITS / 3);
/** Most bytes that the server has already read of the next command. */
const READ_AHEAD = 32 * 1024;

/** Sends a command. */
type Ask = (command: string, ...args: string[]) => Promise<RedisReply>;

/**
 * The most bytes that a server takes as one argument of a command. For a larger one it ends the
 * connection, mostly before the client has read why, and everything under way ends with it. So
 * it is asked for its limits before the first large argument of each connection.
 *
 * Source: `proto-max-bulk-len` and `client-query-buffer-limit` in Redis's own `redis.conf`.
 */
export class ArgumentLimit {
  /** In bytes; `undefined` while the server was not asked. */
  #limit: number | undefined;
  #asking: Promise<number> | undefined;

  /** True if it is known. */
  get isKnown(): boolean {
    return this.#limit !== undefined;
  }

  /** Forgets what a server said: the next connection may lead to another one. */
  forget(): void {
    this.#limit = undefined;
    this.#asking = undefined;
  }

  /**
   * Asks the server, unless its limit is known.
   *
   * @param ask Sends a command.
   * @returns The limit.
   */
  async learn(ask: Ask): Promise<number> {
    const asking = this.#asking ??= askFor(ask);
    try {
      const limit = await asking;
      if (this.#asking === asking) this.#limit = limit;
      return limit;
    } catch (error) {
      if (this.#asking === asking) this.#asking = undefined;
      throw error;
    }
  }

  /**
   * Refuses arguments that the server would not take.
   *
   * @param purpose What they are for: the end of "Cannot …".
   * @param args The arguments.
   * @param limit What the server takes.
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

async function askFor(ask: Ask): Promise<number> {
  const numberOf = async (name: string) => {
    const [, value] = await ask("config", "get", name) as readonly unknown[];
    return Number(String(value ?? Infinity));
  };
  try {
    const [ofArgument, ofBuffer] = await Promise.all([
      numberOf("proto-max-bulk-len"),
      numberOf("client-query-buffer-limit"),
    ]);
    return Math.min(ofArgument, ofBuffer - READ_AHEAD);
  } catch (error) {
    // Services that keep CONFIG to themselves mostly leave the limit at 512 MB.
    if (isReply(error) && /^(ERR|NOPERM)\b/.test(errorMessage(error))) return Infinity;
    throw error;
  }
}

/** True if an argument may be larger than what every server takes. */
function isLargeArgument(arg: RedisArgument): arg is string | Uint8Array {
  if (typeof arg === "string") return arg.length > ALWAYS_FITS_AS_TEXT;
  return typeof arg !== "number" && arg.length > ALWAYS_FITS;
}

/** True if one of some arguments may be. */
export function hasLargeArgument(args: readonly RedisArgument[]): boolean {
  for (const arg of args) {
    if (isLargeArgument(arg)) return true;
  }
  return false;
}
