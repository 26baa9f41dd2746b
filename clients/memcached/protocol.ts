import { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";

/** Operation codes. Source: "Binary Protocol Revamped" in the wiki of memcached. */
export const OPCODES = {
  set: 0x01,
  add: 0x02,
  delete: 0x04,
  increment: 0x05,
  decrement: 0x06,
  noop: 0x0a,
  /** Get, naming the key in the answer, and without an answer when there is none. */
  getKeyQuietly: 0x0d,
} as const;

/** Status codes that matter here. */
export const STATUSES = {
  ok: 0x00,
  notFound: 0x01,
  exists: 0x02,
  tooLarge: 0x03,
  invalid: 0x04,
  notNumeric: 0x06,
  unknownCommand: 0x81,
  notSupported: 0x83,
} as const;

/** An answer of the server, as memjs takes it apart. */
export interface MemcachedReply {
  readonly header: { readonly opcode: number; readonly status: number; readonly cas: Buffer };
  readonly key: Buffer;
  readonly extras: Buffer;
  /** The value, or the text of an error. */
  readonly val: Buffer;
}

/** One request. */
export interface MemcachedRequest {
  readonly opcode: number;
  readonly key?: string;
  readonly extras?: Buffer;
  readonly value?: Encoded;
  /** Carries it out only on this version of the item; see {@linkcode VERSION_OFFSET}. */
  readonly version?: Buffer | undefined;
}

/** Offset of the version in a request of an item (its "CAS"), for which memjs leaves zeros. */
export const VERSION_OFFSET = 16;

/** The longest date that the protocol can carry, in seconds: the year 2106. */
const LAST_DATE = 0xffff_ffff;
/** Above that memcached takes a number of seconds for a date. */
const LONGEST_RELATIVE = 30 * 86_400;
/** In place of an expiry: a number that is not there is not to be made. */
const DO_NOT_CREATE = 0xffff_ffff;

/**
 * The expiry that memcached is sent. It knows whole seconds only, takes 0 for "never", and
 * what is above 30 days for a date.
 *
 * Source: group `memcached`, `ttl` in `tests/vectors/results.json`, where Python's rounding
 * down makes what is under a second last for ever, and what is over 30 days vanish at once.
 *
 * @param ttl Milliseconds above 0; `Infinity` for never.
 * @param now Milliseconds since the epoch.
 * @returns Seconds, rounded up, or a date in seconds.
 */
export function toExpiry(ttl: number, now: number = Date.now()): number {
  if (ttl === Infinity) return 0;
  const seconds = Math.max(1, Math.ceil(ttl / 1_000));
  if (seconds <= LONGEST_RELATIVE) return seconds;
  return Math.min(Math.ceil((now + ttl) / 1_000), LAST_DATE);
}

/** The extras of a request that stores something. */
export function storingExtras(flags: number, expiry: number): Buffer {
  const extras = Buffer.alloc(8);
  extras.writeUInt32BE(flags, 0);
  extras.writeUInt32BE(expiry, 4);
  return extras;
}

/** The extras of a request that counts: one that makes no number where there is none. */
export function countingExtras(amount: number): Buffer {
  const extras = Buffer.alloc(20);
  extras.writeBigUInt64BE(BigInt(amount), 0);
  extras.writeUInt32BE(DO_NOT_CREATE, 16);
  return extras;
}

/** The number that an answer carries. */
export function countOf({ val }: MemcachedReply): number {
  return Number(val.readBigUInt64BE(0));
}
