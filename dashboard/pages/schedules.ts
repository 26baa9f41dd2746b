import { html } from "hono/html";
import { segment } from "../address.ts";
import { type Context, may, type Page } from "../context.ts";
import { button, field, menu } from "../html/forms.ts";
import { count, isoTime, span, time } from "../html/numbers.ts";
import { empty, table } from "../html/table.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import type { ScheduleReport } from "../../control/schedules.ts";

/** Periodic actors. */
export async function schedulesPage(context: Context): Promise<Page> {
  const { control } = context.board;
  const title = "Schedules";
  const place = "schedules";
  if (control === undefined) {
    const reason = "The broker has no control store, where schedules are kept";
    return { title, place, body: empty(`${reason}.`), json: { unsupported: reason } };
  }
  const schedules = await control.schedules();
  return {
    title,
    place,
    body: schedules.length === 0
      ? empty(
        "There are no schedules.",
        html`An actor gets one with <code>{ periodic: { cron: "0 3 * * *" } }</code>`,
      )
      : table(
        "Schedules",
        [
          { label: "Schedule" },
          { label: "Actor" },
          { label: "When" },
          { label: "Next" },
          { label: "Last" },
          { label: "Sent", kind: "num" },
          { label: "Skipped", kind: "num" },
          { label: "State" },
          { label: html`<span class="sr">Actions</span>`, kind: "act" },
        ],
        schedules.map((one) => row(context, one)),
      ),
    json: schedules.map(({ nextAt, lastAt, ...one }) => ({
      ...one,
      nextAt: isoTime(nextAt),
      lastAt: isoTime(lastAt),
    })),
  };
}

function row(context: Context, one: ScheduleReport): Html {
  const { now } = context;
  const { cron, timeZone, every, nextAt } = one;
  const when = every === undefined
    ? html`${text(cron ?? "–", 60)}${
      timeZone === undefined ? "" : html`
        <span class="soft">${text(timeZone, 40)}</span>
      `
    }`
    : `every ${span(every)}`;
  return html`
    <tr class="${one.isAlive ? "" : "late"}">
      <th scope="row">${text(one.name)}</th>
      <td>${text(one.actorName, 60)} <span class="soft">on ${text(one.queueName, 60)}</span></td>
      <td>${when}</td>
      <td>${one.paused || nextAt === undefined
        ? "–"
        : html`${time(nextAt, now)} <span class="soft">in ${span(nextAt - now)}</span>`}</td>
      <td>${time(one.lastAt, now)}</td>
      <td class="num">${count(one.sent)}</td>
      <td class="num">${count(one.skipped)}</td>
      <td>${state(one)}</td>
      <td class="act">${actions(context, one)}</td>
    </tr>
  `;
}

function state({ paused, reason, isAlive }: ScheduleReport): Html {
  if (paused) {
    return html`<span class="tag warn">paused${
      reason === undefined ? "" : html`: ${text(reason)}`
    }</span>`;
  }
  return isAlive
    ? html`<span class="tag good">on time</span>`
    : html`<span class="tag bad">▲ no worker fires it</span>`;
}

function actions(context: Context, { name, paused }: ScheduleReport): Content {
  const action = `${context.address.root}schedules/${segment(name)}/`;
  const about = plain(name, 60);
  const pausing = !may(context, "pause")
    ? ""
    : paused
    ? button(`${action}resume`, "Resume")
    : menu({
      action: `${action}pause`,
      label: "Pause…",
      confirm: "Pause",
      about,
      content: field("reason", "Why"),
    });
  const running = may(context, "trigger")
    ? menu({
      action: `${action}trigger`,
      label: "Run now…",
      confirm: "Send its message now",
      about,
    })
    : "";
  return html`${running} ${pausing}`;
}
