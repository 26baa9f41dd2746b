import { html } from "hono/html";
import type { Context, Page } from "../context.ts";
import { count, span } from "../html/numbers.ts";
import { empty } from "../html/table.ts";
import { type Content, text } from "../html/text.ts";
import { Redactor } from "../redact.ts";
import { stateName } from "../states.ts";
import { messageJson } from "./message_json.ts";
import { messageUrl } from "./message_table.ts";
import { refusedAbility } from "./refused_ability.ts";
import { workerName } from "./running_live.ts";
import { counted } from "../../platform/counted.ts";

/** The result of a search for a message by its id. */
export async function findPage(context: Context): Promise<Page> {
  const { url, board: { inspector }, signal, now } = context;
  const id = url.searchParams.get("id")?.trim() ?? "";
  const title = id === "" ? "Find a message" : `Find ${id}`;
  const place = undefined;
  if (id === "") return { title, place, body: empty("Give the id of a message."), json: {} };
  const refused = refusedAbility(context, "find");
  if (refused !== undefined) return { title, place, ...refused };
  const found = await inspector.find(id, { signal });
  const redactor = new Redactor(context.options);
  const places: Content[] = [
    ...found.running.map(({ worker, message }) =>
      html`<li>running on ${text(message.queueName)}, on ${workerName(worker)}, for ${
        span(now - message.since)
      }</li>`
    ),
    ...found.messages.map((one) =>
      html`<li><a href="${messageUrl(context, one.ref)}">${stateName(one.ref.state)} on ${
        text(one.ref.queueName)
      }</a>, ${text(one.actorName ?? "undecodable")}</li>`
    ),
  ];
  const how = `${count(found.scanned)} ${
    counted(found.scanned, "message(s) (was|were)")
  } looked at${found.isComplete ? "" : ", and there are more"}.`;
  return {
    title,
    heading: html`Find <span class="id">${text(id)}</span>`,
    place,
    body: places.length === 0
      ? empty("It was not found. Messages that are done are kept nowhere.", how)
      : html`
        <ul class="panel">${places}</ul>
        <p class="soft">${how}</p>
      `,
    json: {
      id,
      running: found.running.map(({ worker, message }) => ({ ...message, worker: worker.id })),
      messages: found.messages.map((one) => messageJson(one, redactor)),
      scanned: found.scanned,
      isComplete: found.isComplete,
    },
  };
}
