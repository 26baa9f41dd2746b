import { html } from "hono/html";
import { query } from "../address.ts";
import { type Context, may } from "../context.ts";
import { count, time } from "../html/numbers.ts";
import { table } from "../html/table.ts";
import { type Content, text } from "../html/text.ts";
import type { InspectedMessage } from "../../core/inspection.ts";
import { Redactor } from "../redact.ts";

/** Dead letters per page, and maximum of pages. */
const PAGE = 200;
const MAX_PAGES = 5;
/** Maximum of groups that are shown. */
const MAX_GROUPS = 12;
/** Number of characters of errors that are compared. */
const MAX_ERROR = 120;

/** Dead letters with the same actor and error. */
export interface ErrorGroup {
  readonly queueName: string;
  readonly actorName: string | undefined;
  readonly error: string | undefined;
  count: number;
  first: number | undefined;
  last: number | undefined;
}

/** Groups of the newest dead letters. */
export interface Grouped {
  readonly groups: readonly ErrorGroup[];
  /** Number of dead letters that were read, and total number. */
  readonly read: number;
  readonly total: number | undefined;
}

/**
 * Reads the newest dead letters of a queue and groups them.
 *
 * @param context The request.
 * @param queueName The queue.
 * @param actorName Only dead letters of this actor.
 * @param pages Maximum of pages to read.
 */
export async function readGroups(
  { board: { inspector }, options, signal }: Context,
  queueName: string,
  actorName: string | undefined,
  pages: number = MAX_PAGES,
): Promise<Grouped> {
  const redactor = new Redactor(options);
  const groups = new Map<string, ErrorGroup>();
  let after: string | undefined;
  let read = 0;
  let total: number | undefined;
  for (let i = 0; i < pages; i++) {
    const page = await inspector.list({
      queueName,
      state: "dead",
      limit: PAGE,
      ...(actorName !== undefined && { actorName }),
      ...(after !== undefined && { after }),
    }, { signal });
    total = page.total;
    read += page.scanned;
    for (const one of page.messages) add(groups, one, redactor);
    after = page.next;
    if (after === undefined) break;
  }
  return { groups: [...groups.values()].toSorted((a, b) => b.count - a.count), read, total };
}

function add(groups: Map<string, ErrorGroup>, one: InspectedMessage, redactor: Redactor): void {
  const error = redactor.error(one)?.slice(0, MAX_ERROR);
  const key = JSON.stringify([one.actorName, error]);
  const at = one.diedAt;
  const group = groups.get(key) ?? {
    queueName: one.ref.queueName,
    actorName: one.actorName,
    error,
    count: 0,
    first: at,
    last: at,
  };
  group.count++;
  if (at !== undefined) {
    group.first = Math.min(group.first ?? at, at);
    group.last = Math.max(group.last ?? at, at);
  }
  groups.set(key, group);
}

/** A table of groups with links to actions, with or without a column for the queue. */
export function groupTable(
  context: Context,
  groups: readonly ErrorGroup[],
  { showsQueue }: { showsQueue: boolean },
): Content {
  const { now } = context;
  const rows = groups.slice(0, MAX_GROUPS).map((group) =>
    html`<tr><td class="num">${count(group.count)}</td>${
      showsQueue ? html`<td>${text(group.queueName, 60)}</td>` : ""
    }<td>${text(group.actorName ?? "(undecodable)", 60)}</td><td class="wide">${
      text(group.error ?? "–", MAX_ERROR)
    }</td><td>${time(group.first, now)}</td><td>${time(group.last, now)}</td><td class="act">${
      links(context, group)
    }</td></tr>`
  );
  return table("Dead letters by error", [
    { label: "Count", kind: "num" },
    ...showsQueue ? [{ label: "Queue" }] : [],
    { label: "Actor" },
    { label: "Error" },
    { label: "First" },
    { label: "Last" },
    { label: html`<span class="sr">Actions</span>`, kind: "act" },
  ], rows);
}

function links(context: Context, { queueName, actorName, error }: ErrorGroup): Content {
  const { address: { root }, options } = context;
  // The filter compares original errors, which a redacted one does not match.
  const searched = options.redact === undefined ? error : undefined;
  const filter = { queue: queueName, state: "dead", actor: actorName, error: searched };
  const link = (change: string, label: string) =>
    html`
      <a class="button" href="${root}operations/new${query({ ...filter, change })}">${label}</a>
    `;
  return html`${may(context, "requeue") ? link("requeue", "Requeue…") : ""}${
    may(context, "drop") ? link("drop", "Drop…") : ""
  }`;
}
