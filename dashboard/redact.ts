import { writeJson } from "../encoders/json/writer.ts";
import type { InspectedMessage } from "../core/inspection.ts";
import type { Message } from "../core/message.ts";
import { replaceValue } from "../platform/json_values.ts";
import { indentJson } from "./html/json_text.ts";
import type { DashboardOptions, RedactedPart } from "./options.ts";

/** Placeholder for hidden values. */
export const HIDDEN = "(hidden)";

/** The decoded message. Its type in the core is wider, to avoid a circular import of `Message`. */
export function messageOf({ message }: InspectedMessage): Message | undefined {
  return message as Message | undefined;
}

/** Applies the option `redact`. */
export class Redactor {
  readonly #redact: DashboardOptions["redact"];

  /** @param options The option `redact`. */
  constructor({ redact }: DashboardOptions) {
    this.#redact = redact;
  }

  /** True if parts of messages may have to be hidden. */
  get isActive(): boolean {
    return this.#redact !== undefined;
  }

  /** A redacted part of a message. */
  part(message: Message, part: RedactedPart, value: unknown): unknown {
    if (this.#redact === undefined) return value;
    try {
      return this.#redact(message, part, value);
    } catch {
      return HIDDEN;
    }
  }

  /** The redacted error of a message in a list. */
  error(one: InspectedMessage): string | undefined {
    const { error } = one;
    const message = messageOf(one);
    if (this.#redact === undefined || error === undefined) return error;
    // `redact` needs the message; for a cut one the error is hidden.
    if (message === undefined) return HIDDEN;
    const shown = this.part(message, "traceback", error);
    return typeof shown === "string" ? shown : HIDDEN;
  }

  /** All redacted parts of a message. */
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

/** A value as indented JSON, with large numbers as in the message. */
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
