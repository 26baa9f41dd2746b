import { html } from "hono/html";
import { query, segment } from "../address.ts";
import { type Context, may, type Page } from "../context.ts";
import { type Filter, filterOf, isFiltered, SPANS, toQuery } from "../filter.ts";
import { count } from "../html/numbers.ts";
import { empty } from "../html/table.ts";
import { type Content, type Html, text } from "../html/text.ts";
import type { MessagePage, MessageState } from "../../core/inspection.ts";
import { Redactor } from "../redact.ts";
import { wantsJson } from "../wants_json.ts";
import { stateName, TITLES } from "../states.ts";
import { groupTable, readGroups } from "./error_groups.ts";
import { messageJson } from "./message_json.ts";
import { messageTable } from "./message_table.ts";
import { refusedAbility } from "./refused_ability.ts";

/** Number of messages per page. */
const LIMIT = 50;

/** The messages of a queue in one state. The list itself is not live. */
export async function messagesPage(
  context: Context,
  queueName: string,
  state: MessageState,
): Promise<Page> {
  const { board: { inspector }, url, signal, now } = context;
  const refused = refusedAbility(context, `browse:${state}`);
  const filter = filterOf((name) => url.searchParams.get(name));
  const after = url.searchParams.get("after") ?? undefined;
  const live = liveOf(context, queueName, state, filter, after);
  const title = `${TITLES[state]} of ${queueName}`;
  const heading = html`${TITLES[state]} of ${text(queueName)}`;
  const place = state === "dead" ? "dead" : "queues";
  if (refused !== undefined) {
    const body = html`${refused.body}${bulk(context, queueName, state, {})}`;
    return { title, heading, place, live, body, json: refused.json };
  }
  const page = await inspector.list({
    queueName,
    state,
    limit: LIMIT,
    ...toQuery(filter, now),
    ...(after !== undefined && { after }),
  }, { signal });
  const redactor = new Redactor(context.options);
  return {
    title,
    heading,
    place,
    live,
    body: html`${await groupsOf(context, queueName, state, filter, after)}${
      list(context, queueName, state, filter, page)
    }`,
    json: {
      queue: queueName,
      state: stateName(state),
      total: page.total,
      scanned: page.scanned,
      next: page.next,
      messages: page.messages.map((one) => messageJson(one, redactor)),
    },
  };
}

/** The live part, from the figures that all pages share. */
function liveOf(
  { reading }: Context,
  queueName: string,
  state: MessageState,
  { actor, error }: Filter,
  after: string | undefined,
) {
  const seen = reading.snapshot?.queues.find((one) => one.queueName === queueName)?.[state];
  return {
    name: "messages",
    values: {
      queue: queueName,
      state: stateName(state),
      actor,
      error,
      ...(after === undefined && seen !== undefined && { seen: `${seen}` }),
    },
  };
}

async function groupsOf(
  context: Context,
  queueName: string,
  state: MessageState,
  filter: Filter,
  after: string | undefined,
): Promise<Content> {
  if (state !== "dead" || after !== undefined || isFiltered(filter)) return "";
  if (wantsJson(context.request)) return "";
  const { groups, read, total } = await readGroups(context, queueName, undefined);
  if (groups.length === 0) return "";
  const isAll = total === undefined || read >= total;
  return html`<h2>By error</h2><p class="soft">${
    isAll ? `All ${count(read)}.` : `The newest ${count(read)} of ${count(total)}.`
  }</p>${groupTable(context, groups, { showsQueue: false })}<h2>Messages</h2>`;
}

function list(
  context: Context,
  queueName: string,
  state: MessageState,
  filter: Filter,
  page: MessagePage,
): Content {
  const { messages } = page;
  if (messages.length === 0 && !isFiltered(filter) && page.next === undefined) {
    return empty(`Nothing is ${stateName(state)} here.`);
  }
  const buttons = selectionButtons(context, state);
  const action = `${context.address.root}queues/${segment(queueName)}/${stateName(state)}/change`;
  const shown = messageTable(context, messages, state, { canSelect: buttons.length > 0 });
  return html`${filterForm(filter)}${found(filter, page)}${
    buttons.length === 0 ? shown : html`
      <form method="post"
        action="${action}">${shown}<div class="row"><span id="chosen" role="status" data-script hidden></span>${buttons}</div></form>
    `
  }${pager(context, filter, page)}${bulk(context, queueName, state, filter)}`;
}

function filterForm({ actor = "", error = "", since }: Filter): Html {
  return html`
    <form class="row filter"
      method="get"><label>Actor <input name="actor" value="${actor}" autocomplete="off"></label>
    <label>Error contains <input name="error" value="${error}" autocomplete="off"></label>
    <label>In the last <select name="since"><option value="">any time</option>${Object.keys(SPANS)
      .map((span) =>
        html`
          <option value="${span}" ${span === since ? " selected" : ""}>${SPAN_NAMES[span] ??
            span}</option>
        `
      )}</select></label> <button>Search</button></form>
  `;
}

const SPAN_NAMES: Readonly<Record<string, string>> = {
  "10m": "10 minutes",
  "1h": "hour",
  "1d": "day",
  "7d": "7 days",
};

/** Text about the position of the page, and the number of messages that the filter has scanned. */
function found(filter: Filter, { messages, scanned, total, movedTo, next }: MessagePage): Content {
  const moved = movedTo === undefined
    ? ""
    : html`<p class="note warn">The queue has moved on; this is from position ${
      count(movedTo)
    }.</p>`;
  if (!isFiltered(filter)) return moved;
  const all = total === undefined ? "" : ` of ${count(total)}`;
  return html`${moved}<p class="soft">${count(messages.length)} found in ${count(scanned)}${all}${
    next === undefined ? "." : "; older ones are on the next page."
  }</p>`;
}

function pager({ url }: Context, filter: Filter, { next, messages }: MessagePage): Content {
  const isFirst = !url.searchParams.has("after");
  if (isFirst && next === undefined) return "";
  return html`<p class="row">${
    isFirst ? "" : html`<a class="button" href="?${query({ ...filter }).slice(1)}">« first page</a>`
  }${
    next === undefined
      ? ""
      : html`<a class="button" rel="next" href="${query({ ...filter, after: next })}">${
        messages.length === 0 ? "search on" : "next"
      } »</a>`
  }</p>`;
}

/** Actions for the selected messages. */
function selectionButtons(context: Context, state: MessageState): Html[] {
  const { inspector } = context.board;
  const buttons: Html[] = [];
  const submit = (change: string, label: string) =>
    html`
      <button class="main" name="change" value="${change}" id="${change}"
        data-chosen>${label}</button>
    `;
  if (may(context, "requeue")) {
    if (state === "dead") buttons.push(submit("requeue", "Requeue"));
    if (state === "delayed") buttons.push(submit("runNow", "Run now"));
  }
  if (may(context, "drop") && state !== "unacknowledged" && inspector.abilities.has("remove")) {
    buttons.push(html`
      <details class="menu danger">
        <summary>Drop…</summary>
        <div><span class="soft">Dropped messages are gone for good.</span><button class="danger" name="change" value="drop" data-chosen>Drop the selected</button></div>
      </details>
    `);
  }
  return buttons;
}

/** Actions for all messages that match. */
function bulk(context: Context, queueName: string, state: MessageState, filter: Filter): Content {
  if (state === "unacknowledged") return "";
  const { address: { root }, board: { inspector, control } } = context;
  const link = (change: string, label: string) =>
    html`<a class="button" href="${root}operations/new${
      query({ queue: queueName, state: stateName(state), change, ...filter })
    }">${label}</a>`;
  const what = isFiltered(filter) ? "all that match" : "all";
  const links: Html[] = [];
  const canList = inspector.abilities.has(`browse:${state}`);
  if (may(context, "requeue") && canList && state === "dead") {
    links.push(link("requeue", `Requeue ${what}…`));
  }
  if (may(context, "requeue") && canList && state === "delayed") {
    links.push(link("runNow", `Run ${what} now…`));
  }
  if (may(context, "drop") && canList && inspector.abilities.has("remove")) {
    links.push(link("drop", `Drop ${what}…`));
  }
  if (may(context, "purge") && !isFiltered(filter)) links.push(link("purge", "Purge…"));
  if (may(context, "cancel") && control !== undefined && state === "ready") {
    links.push(
      html`<a class="button" href="${root}queues/${segment(queueName)}/cancel${
        query({ actor: filter.actor })
      }">Cancel an actor…</a>`,
    );
  }
  return links.length === 0 ? "" : html`<p class="row">${links}</p>`;
}
