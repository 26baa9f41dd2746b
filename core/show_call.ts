import { showValue } from "../platform/show_value.ts";
import type { Kwargs } from "./message_dict.ts";

/** Characters of the arguments that a log line shows. */
const MAX_ARGUMENT_TEXT = 200;

/**
 * Shows the call that a message stands for.
 *
 * @param actorName The actor.
 * @param args Positional arguments.
 * @param kwargs Keyword arguments.
 * @returns A text such as `add(1, 2)`.
 */
export function showCall(actorName: string, args: readonly unknown[], kwargs: Kwargs): string {
  const texts = args.map(showValue);
  for (const name of Object.keys(kwargs)) texts.push(`${name}=${showValue(kwargs[name])}`);
  const text = texts.join(", ");
  const shown = text.length > MAX_ARGUMENT_TEXT ? `${text.slice(0, MAX_ARGUMENT_TEXT)}…` : text;
  return `${actorName}(${shown})`;
}
