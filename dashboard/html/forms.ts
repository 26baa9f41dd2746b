/**
 * Forms of actions. Each is a plain form that is sent by POST, so that it works without the script.
 *
 * @module
 */
import { html } from "hono/html";
import type { Content, Html } from "./text.ts";

/** Fields whose values are sent as they are, whatever they hold: encoded, then encoded by the form. */
export type Fields = Readonly<Record<string, string | undefined>>;

/** Hidden fields. */
export function hidden(fields: Fields): Content {
  return Object.entries(fields).map(([name, value]) =>
    value === undefined
      ? ""
      : html`<input type="hidden" name="${name}" value="${
        encodeURIComponent(value.toWellFormed())
      }">`
  );
}

/** A button that acts at once. */
export function button(
  action: string,
  label: string,
  fields: Fields = {},
  kind: "" | "main" | "danger" = "",
): Html {
  return html`
    <form class="inline" method="post"
      action="${action}">${hidden(fields)}<button class="${kind}">${label}</button></form>
  `;
}

/** Question of a menu before it acts. */
export interface MenuOptions {
  /** Address of the action. */
  readonly action: string;
  /** Label of the menu, with an ellipsis. */
  readonly label: string;
  /** Label of the button in it. */
  readonly confirm: string;
  readonly fields?: Fields;
  /** Text of the question. */
  readonly content?: Content;
  readonly isDangerous?: boolean;
  /** Tells menus with the same label apart, for those who only hear it. */
  readonly about?: string;
}

/** A form that opens at its label: the confirmation of an action. */
export function menu(options: MenuOptions): Html {
  const { action, label, confirm, fields = {}, content = "", isDangerous, about } = options;
  return html`
    <details class="menu${isDangerous ? " danger" : ""}">
      <summary>${label}${about === undefined
        ? ""
        : html`<span class="sr"> ${about}</span>`}</summary>
      <form method="post"
        action="${action}">${content}${hidden(fields)}<button class="${isDangerous
          ? "danger"
          : "main"}">${confirm}</button></form>
    </details>
  `;
}

/** A field for a short text, with its label. */
export function field(name: string, label: string, value = "", type = "text"): Html {
  return html`<label>${label} <input name="${name}" type="${type}" value="${value}" autocomplete="off" maxlength="200"></label>`;
}
