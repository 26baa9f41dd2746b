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
  /** Get with the key in the reply, and without a reply if the key does not exist. */
  getKeyQuietly: 0x0d,
} as const;

/** Status codes that this library handles. */
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

/** A reply of the server, parsed by memjs. */
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
  /** Makes the request apply only to this version of the item; see {@linkcode VERSION_OFFSET}. */
  readonly version?: Buffer | undefined;
}

/** Offset of the version ("CAS") in the frame of a request, where memjs writes zeros. */
export const VERSION_OFFSET = 16;

/** The latest date of the protocol, in seconds since the epoch: in 2106. */
const LAST_DATE = 0xffff_ffff;
/** Seconds above which memcached reads an expiry as a date. */
const LONGEST_RELATIVE = 30 * 86_400;
/** Expiry of a request to count that must not create the number. */
const DO_NOT_CREATE = 0xffff_ffff;

/**
 * Converts a TTL to an expiry of memcached: whole seconds, 0 for "never", and a date from 30 days on.
 *
 * Source: group `memcached`, `ttl` in `tests/vectors/results.json`, where Python's rounding
 * down keeps a TTL under a second for ever, and lets one over 30 days expire at once.
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

/** Extras of a request that stores a value. */
export function storingExtras(flags: number, expiry: number): Buffer {
  const extras = Buffer.alloc(8);
  extras.writeUInt32BE(flags, 0);
  extras.writeUInt32BE(expiry, 4);
  return extras;
}

/** Extras of a request to count that does not create the number. */
export function countingExtras(amount: number): Buffer {
  const extras = Buffer.alloc(20);
  extras.writeBigUInt64BE(BigInt(amount), 0);
  extras.writeUInt32BE(DO_NOT_CREATE, 16);
  return extras;
}

/** The number in a reply. */
export function countOf({ val }: MemcachedReply): number {
  return Number(val.readBigUInt64BE(0));
}
