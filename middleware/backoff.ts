import type { Broker } from "../core/broker.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { numberOption, type NumberRule } from "./options.ts";

/** Options of {@linkcode computeBackoff}. */
export interface BackoffOptions {
  /** Milliseconds of the first backoff. */
  minBackoff: number;
  /** Maximum backoff in milliseconds. */
  maxBackoff: number;
  /** Spreads retries that failed together. @default {true} */
  jitter?: boolean;
  /** Returns a random number from 0 up to 1. @default {Math.random} */
  random?: () => number;
}

/** Maximum of doublings; `maxBackoff` is reached long before. */
const MAX_EXPONENT = 32;

/**
 * Computes the time before the next attempt. The backoff doubles with every attempt, and jitter adds up
 * to as much again. A result above `maxBackoff` is replaced by a random time between half of it and all
 * of it. If `minBackoff` equals `maxBackoff`, the backoff is fixed.
 *
 * Source: `backoff` in `tests/vectors/retries.json`.
 *
 * @param attempt Failed attempts before this one, from 0.
 * @param options The range.
 * @returns Whole milliseconds.
 */
export function computeBackoff(attempt: number, options: BackoffOptions): number {
  const { minBackoff, maxBackoff, jitter = true, random = Math.random } = options;
  const base = minBackoff * 2 ** Math.min(attempt, MAX_EXPONENT);
  if (!jitter || minBackoff === maxBackoff) return Math.trunc(Math.min(base, maxBackoff));
  const drawn = base * (1 + random());
  return Math.trunc(drawn <= maxBackoff ? drawn : maxBackoff * (1 + random()) / 2);
}

/** Seven days: the default and the maximum of `maxBackoff`. */
export const LONGEST_BACKOFF = 604_800_000;
const RULE: NumberRule = { least: 0 };

/**
 * Finds the range of the backoff of a message: from its options, those of its actor, or the defaults.
 *
 * @param broker The broker.
 * @param message The message.
 * @param defaults The defaults of the middleware.
 * @returns The range.
 */
export function backoffOf(
  broker: Broker,
  message: MessageProxy,
  defaults: BackoffOptions,
): BackoffOptions {
  const { minBackoff, maxBackoff } = defaults;
  const { clock } = broker;
  return {
    ...clock.random !== undefined && { random: () => clock.random!() },
    minBackoff: numberOption(broker, message, "minBackoff", minBackoff, RULE),
    maxBackoff: Math.min(
      numberOption(broker, message, "maxBackoff", maxBackoff, RULE),
      LONGEST_BACKOFF,
    ),
  };
}
