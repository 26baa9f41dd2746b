import { checkNames, type KnownOptions } from "./known_options.ts";
import type { Kwargs } from "./message_dict.ts";
import {
  type MessageOptions,
  toWireName,
  toWireOptions,
  type WireOptions,
} from "./message_options.ts";
import { keepSpelling } from "../encoders/spelling.ts";

/** Fields of a {@linkcode Message}. */
export interface MessageFields {
  /** The queue it goes to. */
  queueName: string;
  /** The actor that it is for. */
  actorName: string;
  /** Positional arguments. */
  args: readonly unknown[];
  /** Keyword arguments, for an actor in Python. @default {{}} */
  kwargs?: Kwargs;
  /** Options of this one message. @default {{}} */
  options?: MessageOptions;
  /** Identifies the message. @default {a random UUID} */
  messageId?: string;
  /** Milliseconds since the epoch. @default {Date.now()} */
  messageTimestamp?: number;
}

/** Changes that {@linkcode Message.copy} makes; other fields stay. */
export interface MessageChanges extends Partial<Omit<MessageFields, "options">> {
  /** Options to set, or, where `undefined`, to take out. */
  options?: { [Name in keyof MessageOptions]?: MessageOptions[Name] | undefined };
}

const FIELDS: KnownOptions<MessageFields> = {
  queueName: true,
  actorName: true,
  args: true,
  kwargs: true,
  options: true,
  messageId: true,
  messageTimestamp: true,
};

/**
 * Checks the changes of a copy.
 *
 * @param changes The changes.
 * @throws {TypeError} If a message has no such field.
 */
export function checkChanges(changes: MessageChanges): void {
  checkNames<MessageChanges>("copy a message", changes, FIELDS);
}

/**
 * Merges options of a message.
 *
 * @param original The options as they travel.
 * @param changes Options to set, or, where `undefined`, to take out.
 * @returns The options as they travel.
 */
export function mergeOptions(
  original: WireOptions,
  changes: NonNullable<MessageChanges["options"]>,
): WireOptions {
  const merged: Record<string, unknown> = {
    ...original,
    ...toWireOptions(changes as MessageOptions),
  };
  for (const name of Object.keys(changes)) {
    if (changes[name] !== undefined) continue;
    delete merged[toWireName(name)];
    delete merged[name];
  }
  return keepSpelling(original, merged);
}
