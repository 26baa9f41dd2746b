import { writeJson } from "../encoders/json/writer.ts";
import type { InspectedMessage } from "../core/inspection.ts";
import type { Message } from "../core/message.ts";
import { replaceValue } from "../platform/json_values.ts";
import { indentJson } from "./html/json_text.ts";
import type { DashboardOptions, RedactedPart } from "./options.ts";

/** Text in place of something that must not be shown. */
export const HIDDEN = "(hidden)";

/** The decoded message. It is a `Message`, which the types of the core cannot say in a circle. */
export function messageOf({ message }: InspectedMessage): Message | undefined {
  return message as Message | undefined;
}

/** Shows messages as far as the application wants that. */
export class Redactor {
  readonly #redact: DashboardOptions["redact"];

  /** Stores what the application wants. */
  constructor({ redact }: DashboardOptions) {
    this.#redact = redact;
  }

  /** True if parts of messages may have to be hidden. */
  get isActive(): boolean {
    return this.#redact !== undefined;
  }

  /** A part of a message, as it may be shown. */
  part(message: Message, part: RedactedPart, value: unknown): unknown {
    if (this.#redact === undefined) return value;
    try {
      return this.#redact(message, part, value);
    } catch {
      return HIDDEN;
    }
  }

  /** The error of a message in a list. */
  error(one: InspectedMessage): string | undefined {
    const { error } = one;
    const message = messageOf(one);
    if (this.#redact === undefined || error === undefined) return error;
    // Without the whole message nobody can tell what must be hidden.
    if (message === undefined) return HIDDEN;
    const shown = this.part(message, "traceback", error);
    return typeof shown === "string" ? shown : HIDDEN;
  }

  /** The parts of a message, for pages and downloads. */
  parts(message: Message): Readonly<Record<RedactedPart, unknown>> {
    const { args, kwargs, options } = message.asDict();
    const { traceback, ...others } = options as Readonly<Record<string, unknown>>;
    return {
      args: this.part(message, "args", args),
      kwargs: this.part(message, "kwargs", kwargs),
      options: this.part(message, "options", others),
      traceback: traceback === undefined ? undefined : this.part(message, "traceback", traceback),
    };
  }
}

/** A value as indented JSON, with numbers as the message has them. */
export function jsonText(value: unknown): string {
  if (value === undefined) return "";
  try {
    return indentJson(writeJson(value));
  } catch {
    try {
      return JSON.stringify(value, replaceValue, 2) ?? "";
    } catch {
      return HIDDEN;
    }
  }
}
