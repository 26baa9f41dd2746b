import { html } from "hono/html";
import { segment } from "../address.ts";
import { type Context, may, type Page } from "../context.ts";
import { field, hidden } from "../html/forms.ts";
import { empty } from "../html/table.ts";
import { text } from "../html/text.ts";

/** The form that cancels all messages of an actor on a queue. */
export function cancelPage(context: Context, queueName: string): Page {
  const { url, address: { root }, now } = context;
  const title = `Cancel messages of ${queueName}`;
  const place = "queues";
  if (!may(context, "cancel") || context.board.control === undefined) {
    const reason = "You may not cancel messages here";
    return { title, place, status: 403, body: empty(`${reason}.`), json: { error: reason } };
  }
  const actor = url.searchParams.get("actor") ?? "";
  return {
    title,
    heading: html`Cancel messages of ${text(queueName)}`,
    place,
    body: html`
      <p>Cancels all messages of an actor that were sent before now. Those that wait go to the dead letters when a worker comes to them, from where they can be requeued; those that run are stopped. Workers in Python do not obey.</p>
      <form class="row filter" method="post"
        action="${root}queues/${segment(queueName)}/cancel">${hidden({ before: `${now}` })}${field(
          "actor",
          "Actor",
          actor,
        )}${field("reason", "Why")}<button class="danger">Cancel its messages</button></form>
    `,
    json: {},
  };
}
