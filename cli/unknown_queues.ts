import type { Inspector } from "../core/inspection.ts";
import { escapeText } from "../platform/escape.ts";
import type { Console } from "./console.ts";

/** Maximum of queues in a warning. */
const MAX_NAMED = 10;

/**
 * Finds names of queues that the broker does not know. Most likely they are misspelled, but they
 * may be queues to which no message was sent yet.
 *
 * @param inspector An inspector of the broker.
 * @param queueNames Names from the command line.
 * @returns A warning; `undefined` if all are known, or the broker does not list all queues.
 */
export async function describeUnknownQueues(
  inspector: Inspector,
  queueNames: readonly string[],
): Promise<string | undefined> {
  const { queues, isPartial } = await inspector.overview();
  const known = queues.map(({ queueName }) => queueName);
  if (isPartial || known.length === 0) return undefined;
  const unknown = queueNames.filter((name) => !known.includes(name));
  if (unknown.length === 0) return undefined;
  const named = known.slice(0, MAX_NAMED).join(", ");
  const others = known.length > MAX_NAMED ? ` and ${known.length - MAX_NAMED} others` : "";
  return `The broker has no queue ${unknown.join(", ")}; it has ${named}${others}`;
}

/** Prints a warning about queues that the broker does not know. */
export async function noteUnknownQueues(
  { inspector, console }: { readonly inspector: Inspector; readonly console: Console },
  queueNames: readonly string[] = [],
): Promise<void> {
  if (queueNames.length === 0) return;
  const text = await describeUnknownQueues(inspector, queueNames);
  if (text !== undefined) console.note(`${escapeText(text)}\n`);
}
