/**
 * Forms of actions. Plain forms with POST, so that they work without the script.
 *
 * @module
 */
import { html } from "hono/html";
import type { Content, Html } from "./text.ts";

/** Hidden fields of a form. */
export type Fields = Readonly<Record<string, string | undefined>>;

/** Hidden inputs. Values are percent-encoded, since forms normalize line breaks. */
export function hidden(fields: Fields): Content {
  return Object.entries(fields).map(([name, value]) =>
    value === undefined
      ? ""
      : html`<input type="hidden" name="${name}" value="${
        encodeURIComponent(value.toWellFormed())
      }">`
  );
}

/** A form with only a button, without confirmation. */
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

/** Options of a {@linkcode menu}. */
export interface MenuOptions {
  /** Address of the action. */
  readonly action: string;
  /** Label of the menu, with an ellipsis. */
  readonly label: string;
  /** Label of the submit button. */
  readonly confirm: string;
  readonly fields?: Fields;
  /** Content above the button. */
  readonly content?: Content;
  readonly isDangerous?: boolean;
  /** Text after the label for screen readers, to distinguish menus with the same label. */
  readonly about?: string;
}

/** A form that opens when its label is clicked, to confirm an action. */
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

/** An input for a short text, with its label. */
export function field(name: string, label: string, value = "", type = "text"): Html {
  return html`<label>${label} <input name="${name}" type="${type}" value="${value}" autocomplete="off" maxlength="200"></label>`;
}
