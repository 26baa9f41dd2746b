import { html } from "hono/html";
import { type Context, may } from "../context.ts";
import { button, field, menu } from "../html/forms.ts";
import { time } from "../html/numbers.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import type { Pause } from "../../control/pauses.ts";

/** A tag with the times and the reason of a pause. */
export function pauseTag({ since, until, reason }: Pause, now: number): Html {
  return html`<span class="tag warn">paused ${time(since, now)}${
    until === undefined ? "" : html`, until ${time(until, now)}`
  }${reason === undefined ? "" : html`: ${text(reason)}`}</span>`;
}

/**
 * The menu that pauses, or the button that resumes, a queue or an actor.
 *
 * @param action Address of the actions, with a trailing slash.
 * @param name Name of the queue or actor.
 * @param paused All pauses by name; `undefined` if the broker does not support pauses.
 */
export function pausing(
  context: Context,
  action: string,
  name: string,
  paused: ReadonlyMap<string, Pause> | undefined,
): Content {
  if (!may(context, "pause") || paused === undefined) return "";
  if (paused.has(name)) return button(`${action}resume`, "Resume");
  return menu({
    action: `${action}pause`,
    label: "Pause…",
    confirm: "Pause",
    about: plain(name),
    content: html`${
      field("reason", "Why")
    }<span class="soft">Workers in Python do not obey.</span>`,
  });
}
