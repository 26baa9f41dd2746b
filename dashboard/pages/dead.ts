import { html } from "hono/html";
import { segment } from "../address.ts";
import type { Context, Page } from "../context.ts";
import { count, isoTime } from "../html/numbers.ts";
import { empty } from "../html/table.ts";
import { text } from "../html/text.ts";
import { type ErrorGroup, groupTable, readGroups } from "./error_groups.ts";
import { refusedAbility } from "./refused_ability.ts";

/** Maximum of queues whose dead letters are read, those with most dead letters first. */
const MAX_QUEUES = 10;

/** The newest dead letters of all queues, grouped by error. */
export async function deadPage(context: Context): Promise<Page> {
  const { reading: { snapshot }, url, address: { root } } = context;
  const title = "Dead letters";
  const place = "dead";
  const refused = refusedAbility(context, "browse:dead");
  if (refused !== undefined) return { title, place, ...refused };
  const actor = url.searchParams.get("actor") || undefined;
  const queues = (snapshot?.queues ?? []).filter(({ dead }) => dead !== 0)
    .toSorted((a, b) => (b.dead ?? 0) - (a.dead ?? 0));
  const groups: ErrorGroup[] = [];
  let read = 0;
  for (const { queueName } of queues.slice(0, MAX_QUEUES)) {
    const grouped = await readGroups(context, queueName, actor, 1);
    groups.push(...grouped.groups);
    read += grouped.read;
  }
  groups.sort((a, b) => b.count - a.count);
  return {
    title,
    place,
    body: queues.length === 0
      ? empty("No message has failed for good.")
      : html`<ul class="tabs">${
        queues.map(({ queueName, dead }) =>
          html`<li><a href="${root}queues/${segment(queueName)}/dead">${
            text(queueName, 60)
          } <span class="n">${count(dead)}</span></a></li>`
        )
      }</ul><h2>By error${actor === undefined ? "" : html`, of ${text(actor)}`}</h2>
<p class="soft">In the newest ${count(read)}, of ${
        queues.length > MAX_QUEUES ? `the ${MAX_QUEUES} queues with the most` : "all queues"
      }.</p>${
        groups.length === 0 ? empty("None.") : groupTable(context, groups, { showsQueue: true })
      }`,
    json: {
      queues: queues.map(({ queueName, dead }) => ({ queue: queueName, dead })),
      read,
      groups: groups.map((one) => ({
        queue: one.queueName,
        actor: one.actorName,
        error: one.error,
        count: one.count,
        first: isoTime(one.first),
        last: isoTime(one.last),
      })),
    },
  };
}
