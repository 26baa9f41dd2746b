import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";

const log = /* @__PURE__ */ getLogger("middleware");
/** Characters of a value that a log line or error shows. */
const MAX_SHOWN = 100;
/** Options of messages that were ignored, by the actor that the messages were for. */
const warned: WeakMap<Actor, Set<string>> = /* @__PURE__ */ new WeakMap();

/** Range of a number. */
export interface NumberRule {
  /** The least that it may be. */
  readonly least: number;
  /** True if it has to be above that. @default {false} */
  readonly isExclusive?: boolean;
  /** The most that it may be. @default {Infinity} */
  readonly most?: number;
}

/**
 * Refuses a number option of an actor that makes no sense. One that is not set is fine.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is out of range.
 */
export function checkNumberOption(actor: Actor, name: string, rule: NumberRule): void {
  const value = actor.options[name];
  if (value === undefined || value === null) return;
  const found = typeof value === "string" ? JSON.stringify(value) : String(value);
  const text =
    `Cannot declare actor "${actor.actorName}": its ${name} must be a number ${wanted(rule)}, ` +
    `not ${found}`;
  if (typeof value !== "number") throw new TypeError(text);
  if (!isWithin(value, rule)) throw new RangeError(text);
}

/**
 * Looks a number option up as `broker.getOption` does. The one on a message comes from
 * outside, and may be anything: where it makes no sense it counts as not set.
 *
 * @param broker The broker.
 * @param message The message.
 * @param name The option, by its name here.
 * @param fallback What it is when neither the message nor its actor has it.
 * @param rule What it has to be on a message.
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
  // That of the actor was checked when it was declared.
  return (actor?.options[name] ?? fallback) as number;
}

/**
 * Takes a value from outside for a number.
 *
 * @throws {TypeError} If it is none.
 */
export function asNumber(name: string, value: unknown): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new TypeError(`option ${name} must be a number, not ${show(value)}`);
}

/** A producer with a bug sends many of them: each actor and option is warned of once. */
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

/** Any value, for people to read, at a length that a log line can have. */
function show(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value) ?? String(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
