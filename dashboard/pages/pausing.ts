import { html } from "hono/html";
import { type Context, may } from "../context.ts";
import { button, field, menu } from "../html/forms.ts";
import { time } from "../html/numbers.ts";
import { type Content, type Html, plain, text } from "../html/text.ts";
import type { Pause } from "../../control/pauses.ts";

/** Says that something is paused, since and until when, and why. */
export function pauseTag({ since, until, reason }: Pause, now: number): Html {
  return html`<span class="tag warn">paused ${time(since, now)}${
    until === undefined ? "" : html`, until ${time(until, now)}`
  }${reason === undefined ? "" : html`: ${text(reason)}`}</span>`;
}

/**
 * The button that pauses or resumes something.
 *
 * @param action Address of the actions, with a slash at its end.
 * @param name What it is for.
 * @param paused What is paused, by name; `undefined` if nothing can be.
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
