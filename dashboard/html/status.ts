import { html } from "hono/html";
import type { Context, Place } from "../context.ts";
import { span, time } from "./numbers.ts";
import { type Content, text } from "./text.ts";

/** Pages that warn of queues without workers. */
const FIGURES: readonly Place[] = ["queues", "running", "workers"];
/** Maximum of queues in the warning. */
const MAX_NAMED = 5;

/**
 * Warnings about an outage, or about queues without workers; empty if there are none.
 *
 * @param place The page.
 */
export function status(context: Context, place: Place): Content {
  const { reading: { snapshot, outage }, now } = context;
  if (outage !== undefined) {
    const retry = Math.max(0, outage.retryAt - Date.now());
    const shown = snapshot === undefined
      ? "Nothing has been read so far."
      : html`Figures are those of ${time(snapshot.now, now)} UTC, and nothing can be changed.`;
    return html`
      <p
        class="note bad">▲ The broker has not answered since ${time(
          outage.since,
          Date.now(),
        )} UTC (${text(outage.reason, 400)}); trying again in ${span(retry)}. ${shown}</p>
    `;
  }
  if (snapshot?.workers === undefined || !FIGURES.includes(place)) return "";
  const { workers } = snapshot;
  const served = new Set(workers.flatMap(({ queues }) => queues));
  const unserved = snapshot.queues.filter(({ queueName, ready, consumers }) =>
    (ready ?? 0) > 0 && !served.has(queueName) && !consumers && !snapshot.paused?.has(queueName)
  );
  if (unserved.length === 0) return "";
  const names = unserved.slice(0, MAX_NAMED).map(({ queueName }, i) =>
    html`${i === 0 ? "" : ", "}${text(queueName)}`
  );
  const more = unserved.length > MAX_NAMED ? ` and ${unserved.length - MAX_NAMED} more` : "";
  return html`
    <p
      class="note bad">▲ No worker serves ${names}${more}. Start one: <code>${`worker.ts actors.ts --queues ${
        unserved[0]!.queueName
      }`}</code></p>
  `;
}
