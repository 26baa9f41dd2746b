import { html } from "hono/html";
import { query } from "../address.ts";
import { type Context, type LiveView, may } from "../context.ts";
import { field, menu } from "../html/forms.ts";
import { count, span } from "../html/numbers.ts";
import { empty, table } from "../html/table.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import type { RunningMessage, WorkerReport } from "../../core/inspection_reports.ts";
import type { Snapshot } from "../snapshot.ts";
import { messageUrl, short } from "./message_table.ts";

/** Maximum of messages on the page. */
const LIMIT = 100;
/** Milliseconds from which a running message is marked. */
const LONG = 300_000;

/** A running message and its worker. */
export interface RunningRow {
  readonly worker: WorkerReport;
  readonly message: RunningMessage;
}

/** Running messages, the longest running first. */
export function runningRows(snapshot: Snapshot | undefined, queueName?: string): RunningRow[] {
  const rows = (snapshot?.workers ?? []).flatMap((worker) =>
    worker.messages.map((message) => ({ worker, message }))
  );
  return rows.filter(({ message }) => !queueName || message.queueName === queueName)
    .toSorted((a, b) => a.message.since - b.message.since);
}

/** The table of running messages. */
export function runningLive(context: Context, values: NonNullable<LiveView["values"]>): Content {
  const { reading: { snapshot }, board: { inspector } } = context;
  if (snapshot === undefined) return "";
  if (snapshot.workers === undefined) {
    return empty(`${inspector.whyNot("workers") ?? "The broker does not tell"}.`);
  }
  const all = runningRows(snapshot, values["queue"]);
  const start = Math.max(0, Number(values["from"]) || 0);
  const shown = all.slice(start, start + LIMIT);
  const total = snapshot.workers.reduce((sum, { running }) => sum + running, 0);
  const hidden = values["queue"] ? 0 : total - all.length;
  if (all.length === 0) return empty("Nothing runs at the moment.");
  return html`<p class="soft">Longest first.${
    hidden > 0 ? ` ${count(hidden)} more are not reported one by one.` : ""
  }</p>${
    table(
      "Running messages",
      [
        { label: "For" },
        { label: "Actor" },
        { label: "Queue" },
        { label: "Attempt", kind: "num" },
        { label: "Worker" },
        { label: "Id" },
        { label: html`<span class="sr">Actions</span>`, kind: "act" },
      ],
      shown.map((one) => row(context, one)),
      "running",
    )
  }${
    all.length > start + LIMIT
      ? html`<p class="row"><a class="button" href="${
        query({ queue: values["queue"], from: `${start + LIMIT}` })
      }">next »</a></p>`
      : ""
  }`;
}

function row(context: Context, { worker, message }: RunningRow): Html {
  const { now } = context;
  const { messageId, actorName, queueName, since, attempt, key } = message;
  const time = now - since;
  const ref = { queueName, state: "unacknowledged", key: key ?? "" } as const;
  const id = text(short(messageId));
  const canShow = key !== undefined;
  return html`
    <tr id="m-${encodeURIComponent(messageId.toWellFormed())}" class="${time > LONG ? "late" : ""}">
      <td class="${time > LONG ? "bad" : ""}">${span(time)}${time > LONG ? " ▲" : ""}</td>
      <th scope="row">${text(actorName, 60)}</th>
      <td>${text(queueName, 60)}</td>
      <td class="num">${count(attempt)}</td>
      <td>${workerName(worker)}</td>
      <td class="id">${canShow
        ? html`<a href="${messageUrl(context, ref)}" title="${plain(messageId)}">${id}</a>`
        : id}</td>
      <td class="act">${cancellation(context, message)}</td>
    </tr>
  `;
}

function cancellation(context: Context, { messageId }: RunningMessage): Content {
  const { board, address: { root } } = context;
  const asked = board.cancellations.get(messageId);
  if (asked !== undefined) {
    return html`<span class="soft">asked to stop ${span(Date.now() - asked.at)} ago by ${
      text(asked.by, 40)
    }</span>`;
  }
  if (!may(context, "cancel") || board.control === undefined) return "";
  return menu({
    action: `${root}running/cancel`,
    label: "Cancel…",
    confirm: "Cancel the message",
    about: plain(messageId, 60),
    fields: { id: messageId },
    content: field("reason", "Why"),
  });
}

/** Host and process id of a worker. */
export function workerName({ host, pid, id }: WorkerReport): Html {
  return host === undefined ? text(short(id)) : html`${text(host, 60)}:${String(pid)}`;
}
