import { html } from "hono/html";
import { query, segment } from "../address.ts";
import type { Context, LiveView } from "../context.ts";
import { count } from "../html/numbers.ts";
import type { Content } from "../html/text.ts";
import type { MessageState } from "../../core/inspection.ts";
import { stateName, stateOfName, TITLES } from "../states.ts";
import { pauseAction } from "./queues_live.ts";

const STATES: readonly MessageState[] = ["ready", "delayed", "unacknowledged", "dead"];

/** Live part above a list of messages: counts by state, and the number of new messages. */
export function messagesLive(context: Context, values: NonNullable<LiveView["values"]>): Content {
  const { address: { root }, reading: { snapshot } } = context;
  const { queue = "", state = "", seen, actor, error } = values;
  const counts = snapshot?.queues.find(({ queueName }) => queueName === queue);
  const base = `${root}queues/${segment(queue)}/`;
  const shown = stateOfName(state);
  const more = shown === undefined || seen === undefined || counts?.[shown] === undefined
    ? 0
    : counts[shown] - Number(seen);
  return html`
    <div class="row end">
      <ul class="tabs">${STATES.map((one) =>
        html`<li><a href="${base}${stateName(one)}"${
          one === shown
            ? html`
              aria-current="page"
            `
            : ""
        }>${TITLES[one]} <span class="n">${count(counts?.[one])}</span></a></li>`
      )}</ul>
      <div>${pauseAction(context, queue)}</div>
    </div>${more > 0
      ? html`
        <p class="note"
          role="status">${count(
            more,
          )} more than when this list was read: <a href="${base}${state}${query({
            actor,
            error,
          })}">show</a></p>
      `
      : ""}
  `;
}
