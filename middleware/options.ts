import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import type { MessageProxy } from "../core/message_proxy.ts";

/** What a number has to be. */
export interface NumberRule {
  /** The least that it may be. */
  readonly least: number;
  /** Whether it has to be above that. @default {false} */
  readonly isExclusive?: boolean;
}

/**
 * Refuses a number option of an actor that makes no sense. One that is not set is fine.
 *
 * @throws {TypeError} If it is no number.
 * @throws {RangeError} If it is out of range.
 */
export function checkNumberOption(actor: Actor, name: string, rule: NumberRule): void {
  const value = actor.options[name];
  if (value === undefined || value === null) return;
  const { least, isExclusive = false } = rule;
  const wanted = isExclusive ? `above ${least}` : `${least} or more`;
  const found = typeof value === "string" ? JSON.stringify(value) : String(value);
  const text =
    `Cannot declare actor "${actor.actorName}": its ${name} must be a number ${wanted}, ` +
    `not ${found}`;
  if (typeof value !== "number") throw new TypeError(text);
  if (!(isExclusive ? value > least : value >= least)) throw new RangeError(text);
}

/**
 * Looks a number option up as `broker.getOption` does. The one on a message comes from
 * outside, and may be anything.
 *
 * @throws {TypeError} If it is no number.
 */
export function numberOption(
  broker: Broker,
  message: MessageProxy,
  name: string,
  fallback: number,
): number {
  return asNumber(name, broker.getOption<unknown>(message, name, fallback));
}

/**
 * Takes a value from outside for a number.
 *
 * @throws {TypeError} If it is none.
 */
export function asNumber(name: string, value: unknown): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new TypeError(`option ${name} must be a number, not ${JSON.stringify(value)}`);
}
