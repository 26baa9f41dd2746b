import { html } from "hono/html";
import { query, segment } from "../address.ts";
import type { Context } from "../context.ts";
import { chart } from "../html/chart.ts";
import { count, rate } from "../html/numbers.ts";
import { table } from "../html/table.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import { allRates, type Rates, ratesByActor, type Snapshot, sum } from "../snapshot.ts";
import { pauseTag, pausing } from "./pausing.ts";

/** Name under which reports count actors beyond their maximum. */
const OTHERS = "(others)";
/** Minutes for the percentage of failures. A whole hour would hide recent changes. */
const RECENT = 10;
/** Maximum of actors in the table. */
const MAX_ACTORS = 30;

/** The last hour, as a chart and by actor. */
export function activity(context: Context, snapshot: Snapshot): Content {
  const { history = [], pausedActors } = snapshot;
  if (history.length === 0 && !pausedActors?.size) return "";
  const all = allRates(history);
  const [done, failed, dead] = [all.done, all.failed, all.dead].map((values) => sum(values) ?? 0);
  const actors = ratesByActor(history, pausedActors?.keys());
  return html`
    <h2>Last hour</h2><div
      class="panel">${chart(
        `Messages a minute in the last hour: ${count(done)} done, ${count(failed)} failed`,
        [{ name: "done", values: all.done }, { name: "failed", values: all.failed }],
        "wide",
      )}<p class="legend"><span><span class="k"></span><b>${count(
        done,
      )}</b> done</span><span><span class="k failed"></span><b>${count(
        failed,
      )}</b> failed</span><span><b>${count(dead)}</b> dead</span><span>at most ${count(
        Math.max(0, ...all.done),
      )} done a minute</span></p></div>${actors.length === 0 ? "" : actorTable(context, actors)}
  `;
}

function actorTable(context: Context, actors: readonly [string, Rates][]): Html {
  return html`<h2>Actors</h2>${
    table(
      "Actors in the last hour",
      [
        { label: "Actor" },
        { label: "Done", kind: "num" },
        { label: "Per second", kind: "num" },
        { label: "Failed", kind: "num" },
        { label: "Failed %, 10 min", kind: "num" },
        { label: "Dead", kind: "num" },
        { label: "60 minutes" },
        { label: html`<span class="sr">Actions</span>`, kind: "act" },
      ],
      actors.slice(0, MAX_ACTORS).map((one) => actorRow(context, one)),
      "actors",
    )
  }`;
}

function actorRow(context: Context, [name, rates]: [string, Rates]): Html {
  const { address: { root }, reading: { snapshot }, now } = context;
  const paused = snapshot?.pausedActors;
  const pause = paused?.get(name);
  const done = sum(rates.done) ?? 0;
  const failed = sum(rates.failed) ?? 0;
  const dead = sum(rates.dead) ?? 0;
  const [lately, failedLately] = [rates.done, rates.failed].map((values) =>
    sum(values.slice(-RECENT)) ?? 0
  ) as [number, number];
  const share = failedLately === 0 ? 0 : 100 * failedLately / (lately + failedLately);
  return html`
    <tr id="a-${encodeURIComponent(name.toWellFormed())}">
      <th scope="row">${text(name)} ${pause && pauseTag(pause, now)}</th>
      <td class="num">${count(done)}</td>
      <td class="num">${rate((rates.done.at(-2) ?? 0) / 60)}</td>
      <td class="num">${count(failed)}</td>
      <td class="num${share > 10 ? " bad" : ""}">${share.toFixed(1)}${share > 10 ? " ▲" : ""}</td>
      <td class="num">${dead === 0
        ? "0"
        : html`<a href="${root}dead${query({ actor: name })}">${count(dead)}</a>`}</td>
      <td>${chart(`${plain(name)}: ${count(done)} done, ${count(failed)} failed in an hour`, [
        { name: "done", values: rates.done },
        { name: "failed", values: rates.failed },
      ], "spark")}</td>
      <td class="act">${name === OTHERS
        ? ""
        : pausing(context, `${root}actors/${segment(name)}/`, name, paused)}</td>
    </tr>
  `;
}
