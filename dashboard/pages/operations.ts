import { html } from "hono/html";
import { segment } from "../address.ts";
import { type Context, may, type Page } from "../context.ts";
import { type Filter, filterOf, filterText, isFiltered, toQuery } from "../filter.ts";
import { field, hidden } from "../html/forms.ts";
import { count, isoTime } from "../html/numbers.ts";
import { empty } from "../html/table.ts";
import { type Content, text } from "../html/text.ts";
import type { MessageChange, MessagePage, MessageState } from "../../core/inspection.ts";
import type { Operation } from "../operations/operation.ts";
import { stateName, stateOfName } from "../states.ts";
import { messageTable } from "./message_table.ts";

/** Number of messages above which the viewer must type the name of the queue to drop them. */
export const MANY = 1_000;
/** Number of messages that are read for the estimate, and number of samples on the page. */
const LOOKED_AT = 200;
const SAMPLES = 3;

/** A change of many messages; `purge` drops all messages in one step. */
export type BulkChange = MessageChange | "purge";

const TITLES: Readonly<Record<BulkChange, string>> = {
  requeue: "Requeue",
  runNow: "Run now",
  drop: "Drop",
  purge: "Purge",
};
/** The states that each change applies to. */
const STATES: Readonly<Record<BulkChange, readonly MessageState[]>> = {
  requeue: ["dead"],
  runNow: ["delayed"],
  drop: ["dead", "delayed", "ready"],
  purge: ["dead", "delayed", "ready"],
};

/** Reads a change from an address or form; `undefined` if it does not apply to the state. */
export function bulkChangeOf(
  change: string | null | undefined,
  state: MessageState | undefined,
): BulkChange | undefined {
  if (state === undefined || !change || !Object.hasOwn(TITLES, change)) return undefined;
  return STATES[change as BulkChange].includes(state) ? change as BulkChange : undefined;
}

/** All operations. */
export function operationsPage({ board: { operations } }: Context): Page {
  return {
    title: "Operations",
    place: "operations",
    live: { name: "operations" },
    body: html`
      <p
        class="soft">An operation lives as long as this process: if that ends, the rest of the messages stay as they are, and starting it again does no harm.</p>
    `,
    json: operations.all.map(operationJson),
  };
}

/** One operation. */
export function operationPage(context: Context, id: number): Page | undefined {
  const operation = context.board.operations.get(id);
  if (operation === undefined) return undefined;
  return {
    title: `Operation ${id}`,
    place: "operations",
    live: { name: "operation", values: { id: `${id}` } },
    json: operationJson(operation),
  };
}

function operationJson(one: Operation): Record<string, unknown> {
  const { id, request, state, done, gone, failed, scanned, error } = one;
  return {
    id,
    state,
    ...request,
    done,
    gone,
    failed,
    scanned,
    error,
    startedAt: isoTime(one.startedAt),
    endedAt: isoTime(one.endedAt),
  };
}

/**
 * The form that starts an operation, with the estimate, samples, and the end of the range of times.
 */
export async function newOperationPage(context: Context): Promise<Page> {
  const { url, now, board: { inspector }, signal } = context;
  const queueName = url.searchParams.get("queue") ?? "";
  const state = stateOfName(url.searchParams.get("state") ?? "");
  const change = bulkChangeOf(url.searchParams.get("change"), state);
  const title = change === undefined ? "Operation" : `${TITLES[change]} messages`;
  const place = "operations";
  if (change === undefined || state === undefined || queueName === "") {
    const reason = "Such messages cannot be changed so";
    return { title, place, status: 400, body: empty(`${reason}.`), json: { error: reason } };
  }
  const filter = filterOf((name) => url.searchParams.get(name));
  const right = change === "runNow" ? "requeue" : change;
  if (!may(context, right)) {
    const reason = `You may not ${right} messages`;
    return { title, place, status: 403, body: empty(`${reason}.`), json: { error: reason } };
  }
  // The range of times ends now by default, so that messages that die later are not changed.
  const fixed: Filter = change === "purge"
    ? {}
    : { ...filter, before: filter.before ?? `${Math.ceil(now) + 1}` };
  const { since, before, ...others } = toQuery(fixed, now);
  const canList = inspector.abilities.has(`browse:${state}`);
  const page = change === "purge" && !canList
    ? countedPage(context, queueName, state)
    : await inspector.list({
      queueName,
      state,
      limit: LOOKED_AT,
      ...others,
      ...(since !== undefined && { since }),
      ...(before !== undefined && { before }),
    }, { signal });
  const expected = expectedOf(page, isFiltered(filter));
  const planned = { queueName, state, change, fixed, since, expected, messages: page.messages };
  return {
    title,
    place,
    body: planBody(context, planned),
    json: { queue: queueName, state: stateName(state), change, filter: fixed, expected },
  };
}

/** An operation that has not been started. */
interface PlannedOperation {
  readonly queueName: string;
  readonly state: MessageState;
  readonly change: BulkChange;
  /** The filter, with an end of the range of times. */
  readonly fixed: Filter;
  readonly since: number | undefined;
  readonly expected: ReturnType<typeof expectedOf>;
  /** Samples of the messages. */
  readonly messages: MessagePage["messages"];
}

function planBody(context: Context, planned: PlannedOperation): Content {
  const { queueName, state, change, fixed, expected, messages } = planned;
  return html`
    <p>${TITLES[change]} <strong>${expected.isExact ? "" : "about "}${count(
      expected.count,
    )}</strong> ${stateName(state)} messages of ${text(queueName)}${described(
      fixed,
    )}.${change === "drop" || change === "purge"
      ? " They are gone for good."
      : ""}</p>${messages.length === 0
      ? empty(expected.isExact ? "Nothing matches." : "None of them can be shown.")
      : html`<h2>The first of them</h2>${
        messageTable(context, messages.slice(0, SAMPLES), state, { canSelect: false })
      }`}${planForm(context.address.root, planned)}
  `;
}

function planForm(root: string, planned: PlannedOperation): Content {
  const { queueName, state, change, fixed, since, expected } = planned;
  const back = `${root}queues/${segment(queueName)}/${stateName(state)}`;
  const isLarge = (change === "drop" || change === "purge") && (expected.count ?? MANY + 1) > MANY;
  return html`
    <form
      class="row" method="post"
      action="${change === "purge" ? `${back}/purge` : `${root}operations`}">${hidden({
        queue: queueName,
        state: stateName(state),
        change,
        actor: fixed.actor,
        error: fixed.error,
        since: since === undefined ? undefined : `${since}`,
        before: fixed.before,
        expected: expected.count === undefined ? undefined : `${expected.count}`,
      })}${isLarge
        ? html`${field("typed", `Type the name of the queue, ${queueName}`)}`
        : ""}<button class="${change === "requeue" || change === "runNow"
        ? "main"
        : "danger"}">${TITLES[change]}</button> <a class="button" href="${back}">Back</a></form>
  `;
}

function described(filter: ReturnType<typeof filterOf>): Content {
  const words = filterText(filter);
  return words === undefined ? "" : [" where ", text(words, 1_000)];
}

/** A page without messages, for brokers that count messages but cannot list them. */
function countedPage(
  { reading: { snapshot }, now }: Context,
  queueName: string,
  state: MessageState,
): MessagePage {
  const total = snapshot?.queues.find((one) => one.queueName === queueName)?.[state];
  return { messages: [], total, scanned: 0, next: "", movedTo: undefined, now };
}

/** Estimated number of messages that match. */
function expectedOf(
  { messages, scanned, total, next }: MessagePage,
  isFiltered: boolean,
): { readonly count: number | undefined; readonly isExact: boolean } {
  if (next === undefined) return { count: messages.length, isExact: true };
  if (total === undefined) return { count: undefined, isExact: false };
  if (isFiltered && scanned === 0) return { count: undefined, isExact: false };
  const count = isFiltered ? Math.round(total * messages.length / scanned) : total;
  return { count: Math.max(count, messages.length), isExact: false };
}
