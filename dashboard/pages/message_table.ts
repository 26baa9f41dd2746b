import { html } from "hono/html";
import { segment } from "../address.ts";
import type { Context } from "../context.ts";
import { bytes, count, span, time } from "../html/numbers.ts";
import { type Column, table } from "../html/table.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import type { InspectedMessage, MessageRef, MessageState } from "../../core/inspection.ts";
import { Redactor } from "../redact.ts";

/** Maximum of characters of an error in a list. */
const MAX_ERROR = 300;

/** Address of a message. */
export function messageUrl({ address: { root } }: Context, ref: MessageRef): string {
  return `${root}messages/${segment(ref.queueName)}/${ref.state}/${segment(ref.key)}`;
}

/** Value of a checkbox: the reference of a message, encoded. */
export function refValue({ key, position }: MessageRef): string {
  return `${position ?? ""}:${encodeURIComponent(key.toWellFormed())}`;
}

/** Decodes a {@linkcode refValue}. */
export function toRef(value: string, queueName: string, state: MessageState): MessageRef {
  const colon = value.indexOf(":");
  const position = Number(value.slice(0, colon) || NaN);
  const key = decodeURIComponent(value.slice(colon + 1));
  return { queueName, state, key, ...(Number.isSafeInteger(position) && { position }) };
}

/**
 * A table of messages.
 *
 * @param context The request.
 * @param messages The messages.
 * @param state Their state.
 * @param options Whether to show checkboxes.
 */
export function messageTable(
  context: Context,
  messages: readonly InspectedMessage[],
  state: MessageState,
  { canSelect }: { canSelect: boolean },
): Html {
  const redactor = new Redactor(context.options);
  const isDead = state === "dead";
  const when: Readonly<Record<MessageState, string>> = {
    ready: "Sent",
    delayed: "Due",
    unacknowledged: "Sent",
    dead: "Died",
  };
  const columns: Column[] = [
    ...canSelect
      ? [{
        label: html`<input type="checkbox" id="all" aria-label="Select all" data-script hidden>`,
      }]
      : [],
    { label: when[state] },
    { label: "Actor" },
    { label: "Retries", kind: "num" },
    ...isDead ? [{ label: "Error" }] : [],
    { label: isDead ? "Waited" : state === "delayed" ? "In" : "Waits", kind: "num" },
    { label: "Size", kind: "num" },
    { label: "Id" },
  ];
  const rows = messages.map((one) => row(context, one, redactor, { canSelect }));
  return table("Messages", columns, rows);
}

function row(
  context: Context,
  one: InspectedMessage,
  redactor: Redactor,
  { canSelect }: { canSelect: boolean },
): Html {
  const { now } = context;
  const { ref, sentAt, eta, diedAt } = one;
  const id = one.messageId ?? ref.key;
  const at = ref.state === "dead" ? diedAt ?? sentAt : ref.state === "delayed" ? eta : sentAt;
  const wait = ref.state === "dead"
    ? difference(diedAt, sentAt)
    : ref.state === "delayed"
    ? difference(eta, now)
    : difference(now, sentAt);
  const box: Content = canSelect
    ? html`<td><input type="checkbox" name="key" value="${refValue(ref)}" aria-label="Select ${
      plain(id, 60)
    }"></td>`
    : "";
  return html`
    <tr
      data-row>${box}<td>${time(at, now)}</td><td>${one.actorName === undefined
        ? html`<span class="bad">undecodable</span>`
        : text(one.actorName, 60)}</td><td class="num">${count(
          one.retries,
        )}</td>${ref.state === "dead"
        ? html`<td class="wide">${text(redactor.error(one) ?? "–", MAX_ERROR)}</td>`
        : ""}<td class="num">${span(wait)}</td><td class="num">${bytes(
          one.size,
        )}</td><td class="id"><a href="${messageUrl(context, ref)}" title="${plain(id)}">${text(
          short(id),
        )}</a></td></tr>
  `;
}

function difference(later: number | undefined, earlier: number | undefined): number | undefined {
  return later === undefined || earlier === undefined ? undefined : later - earlier;
}

/** The beginning of an id, long enough to be unique on a page. */
export function short(id: string): string {
  return id.length > 13 ? `${id.slice(0, 12)}…` : id;
}
