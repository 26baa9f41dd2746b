import { html } from "hono/html";
import { segment } from "../address.ts";
import { type Context, may } from "../context.ts";
import { button, field, menu } from "../html/forms.ts";
import { bytes, count, span } from "../html/numbers.ts";
import { empty, table } from "../html/table.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import type { WorkerReport } from "../../core/inspection_reports.ts";
import { workerName } from "./running_live.ts";

/** Milliseconds without a report after which a worker is marked. */
const SILENT = 30_000;
/** Milliseconds of event loop delay from which it is marked. */
const BUSY = 1_000;
/** Maximum of queues that are listed. */
const MAX_QUEUES = 6;

/** Workers, those without recent reports first. */
export function workersLive(context: Context): Content {
  const { reading: { snapshot }, board: { inspector }, now } = context;
  if (snapshot === undefined) return "";
  const { workers } = snapshot;
  if (workers === undefined) {
    return empty(`${inspector.whyNot("workers") ?? "The broker does not tell"}.`);
  }
  if (workers.length === 0) {
    return empty("No worker is alive.", html`Start one: <code>worker.ts actors.ts</code>`);
  }
  const isSilent = (one: WorkerReport) => now - one.seenAt > SILENT;
  const sorted = workers.toSorted((a, b) => Number(isSilent(b)) - Number(isSilent(a)));
  return table(
    "Workers",
    [
      { label: "Worker" },
      { label: "State" },
      { label: "Running", kind: "num" },
      { label: "Queues" },
      { label: "Up", kind: "num" },
      { label: "Last seen", kind: "num" },
      { label: "Done", kind: "num" },
      { label: "Failed", kind: "num" },
      { label: "Loop delay", kind: "num" },
      { label: "Memory", kind: "num" },
      { label: "Runtime" },
      { label: html`<span class="sr">Actions</span>`, kind: "act" },
    ],
    sorted.map((one) => row(context, one)),
    "workers",
  );
}

function row(context: Context, one: WorkerReport): Html {
  const { now } = context;
  const silence = now - one.seenAt;
  const isSilent = silence > SILENT;
  const total = (name: "done" | "failed") =>
    Object.values(one.actors).reduce((sum, counts) => sum + counts[name], 0);
  return html`
    <tr id="w-${encodeURIComponent(one.id.toWellFormed())}" class="${isSilent ? "late" : ""}">
      <th scope="row">${workerName(one)}</th>
      <td>${state(one, isSilent)}</td>
      <td class="num">${one.hasReport
        ? html`${count(one.running)} of ${count(one.concurrency)}`
        : "–"}</td>
      <td class="wide">${queues(one)}</td>
      <td class="num">${one.bootedAt > 0 ? span(now - one.bootedAt) : "–"}</td>
      <td class="num">${silence < 2_000 ? "now" : `${span(silence)} ago`}</td>
      <td class="num">${one.hasReport ? count(total("done")) : "–"}</td>
      <td class="num">${one.hasReport ? count(total("failed")) : "–"}</td>
      <td class="num${(one.lag ?? 0) > BUSY ? " bad" : ""}">${span(one.lag)}${(one.lag ?? 0) > BUSY
        ? " ▲"
        : ""}</td>
      <td class="num">${bytes(one.rss)}</td>
      <td>${text(one.runtime ?? "–", 40)}${one.version === undefined ? "" : html`
        <span class="soft">${text(one.version, 20)}</span>
      `}</td>
      <td class="act">${quieting(context, one)}</td>
    </tr>
  `;
}

function state({ hasReport, state }: WorkerReport, isSilent: boolean): Html {
  if (isSilent) return html`<span class="tag bad">▲ silent</span>`;
  if (!hasReport) {
    return html`<span class="tag" title="In Python, or with reports turned off">no report</span>`;
  }
  return html`<span class="tag ${state === "working" ? "good" : "warn"}">${state}</span>`;
}

function quieting(context: Context, { id, hasReport, state }: WorkerReport): Content {
  const { address: { root }, board } = context;
  if (!may(context, "quiet") || board.control === undefined || !hasReport) return "";
  const action = `${root}workers/${segment(id)}/`;
  if (state === "quiet") return button(`${action}resume`, "Resume");
  return menu({
    action: `${action}quiet`,
    label: "Quiet…",
    confirm: "Quiet it",
    about: plain(id, 60),
    content: html`${
      field("reason", "Why")
    }<span class="soft">It finishes what runs, and fetches nothing more.</span>`,
  });
}

function queues({ queues }: WorkerReport): Content {
  const named = queues.slice(0, MAX_QUEUES).map((name, i) =>
    html`${i === 0 ? "" : ", "}${text(name, 60)}`
  );
  return html`${named}${
    queues.length > MAX_QUEUES ? ` and ${queues.length - MAX_QUEUES} more` : ""
  }`;
}
