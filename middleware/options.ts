import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { showValue } from "../platform/show_value.ts";

const log = /* @__PURE__ */ getLogger("middleware");
/** Maximum of characters of a value in a log line or error text. */
const MAX_SHOWN = 100;
/** Options of messages that were ignored, by actor. */
const warned: WeakMap<Actor, Set<string>> = /* @__PURE__ */ new WeakMap();

/** Range of a number. */
export interface NumberRule {
  /** Minimum. */
  readonly least: number;
  /** True if the number must be above the minimum. @default {false} */
  readonly isExclusive?: boolean;
  /** Maximum. @default {Infinity} */
  readonly most?: number;
}

/**
 * Refuses an invalid number option of an actor. It need not be set.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is out of range.
 */
export function checkNumberOption(actor: Actor, name: string, rule: NumberRule): void {
  const value = actor.options[name];
  if (value === undefined || value === null) return;
  const text =
    `Cannot declare actor "${actor.actorName}": its ${name} must be a number ${wanted(rule)}, ` +
    `not ${showValue(value)}`;
  if (typeof value !== "number") throw new TypeError(text);
  if (!isWithin(value, rule)) throw new RangeError(text);
}

/**
 * Refuses an option of an actor that is neither true nor false: `"false"` would count as true. It need
 * not be set.
 *
 * @throws {TypeError} If it is something else.
 */
export function checkBooleanOption(actor: Actor, name: string): void {
  const value = actor.options[name];
  if (value === undefined || value === null || typeof value === "boolean") return;
  throw new TypeError(
    `Cannot declare actor "${actor.actorName}": its ${name} must be true or false, ` +
      `not ${showValue(value)}`,
  );
}

/**
 * Reads a number option, as `broker.getOption` does. Messages come from outside: an invalid option of a
 * message counts as not set.
 *
 * @param broker The broker.
 * @param message The message.
 * @param name Name of the option in this library.
 * @param fallback Value if neither the message nor its actor has the option.
 * @param rule Range on a message.
 * @returns The number.
 */
export function numberOption(
  broker: Broker,
  message: MessageProxy,
  name: string,
  fallback: number,
  rule: NumberRule,
): number {
  const own = message.option(name);
  const actor = broker.actors.get(message.actorName);
  if (own !== undefined && own !== null) {
    if (typeof own === "number" && isWithin(own, rule)) return own;
    if (actor !== undefined) warnOfOption(actor, message, name, rule);
  }
  // The option of the actor was checked when it was declared.
  return (actor?.options[name] ?? fallback) as number;
}

/**
 * Asserts that a value from outside is a number.
 *
 * @throws {TypeError} If it is not.
 */
export function asNumber(name: string, value: unknown): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new TypeError(`option ${name} must be a number, not ${show(value)}`);
}

/** Warns once for each actor and option: a producer with a bug sends many such messages. */
function warnOfOption(actor: Actor, message: MessageProxy, name: string, rule: NumberRule): void {
  let names = warned.get(actor);
  if (names === undefined) warned.set(actor, names = new Set());
  if (names.has(name)) return;
  names.add(name);
  log.warn(
    "Ignored {option} of message {messageId} of {actor}, and of similar messages: it must be a number " +
      "{wanted}, not {value}",
    {
      ...about(message),
      option: name,
      wanted: wanted(rule),
      value: show(message.option(name)),
    },
  );
}

function isWithin(value: number, rule: NumberRule): boolean {
  const { least, isExclusive = false, most = Infinity } = rule;
  return (isExclusive ? value > least : value >= least) && value <= most;
}

function wanted({ least, isExclusive = false, most = Infinity }: NumberRule): string {
  const from = isExclusive ? `above ${least}` : `${least} or more`;
  return most === Infinity ? from : `${from}, and ${most} at most`;
}

/** Formats any value, shortened for a log line. */
function show(value: unknown): string {
  const text = showValue(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
