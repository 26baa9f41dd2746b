import type { Inspector } from "../core/inspection.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { escapeText } from "../platform/escape.ts";
import type { Console } from "./console.ts";

/** Number of queues that a warning names at most. */
const MAX_NAMED = 10;

/**
 * Looks for names of queues that the broker does not know: most likely they are misspelled, though
 * they may be those of queues to which nothing was sent yet.
 *
 * @param inspector An inspector of the broker.
 * @param queueNames Names that a person has given.
 * @returns What to say about them; `undefined` if all are known, or the broker does not tell.
 */
export async function describeUnknownQueues(
  inspector: Inspector,
  queueNames: readonly string[],
): Promise<string | undefined> {
  const { queues, isPartial } = await inspector.overview();
  const known = queues.map(({ queueName }) => queueName);
  if (isPartial || known.length === 0) return undefined;
  const unknown = queueNames.map(canonicalQueueName).filter((name) => !known.includes(name));
  if (unknown.length === 0) return undefined;
  const named = known.slice(0, MAX_NAMED).join(", ");
  const others = known.length > MAX_NAMED ? ` and ${known.length - MAX_NAMED} others` : "";
  return `The broker has no queue ${unknown.join(", ")}; it has ${named}${others}`;
}

/** Notes which of the queues that were named the broker does not know. */
export async function noteUnknownQueues(
  { inspector, console }: { readonly inspector: Inspector; readonly console: Console },
  queueNames: readonly string[] = [],
): Promise<void> {
  if (queueNames.length === 0) return;
  const text = await describeUnknownQueues(inspector, queueNames);
  if (text !== undefined) console.note(`${escapeText(text)}\n`);
}
