import { html } from "hono/html";
import type { Content, Html } from "./text.ts";

/** A column of a table. */
export interface Column {
  readonly label: Content;
  /** `num` for numbers. */
  readonly kind?: "num" | "act";
}

/**
 * A table that scrolls if it is too wide.
 *
 * @param label Description for screen readers.
 * @param columns Its columns.
 * @param rows Its rows, as `<tr>` elements.
 */
export function table(
  label: string,
  columns: readonly Column[],
  rows: readonly Content[],
  id?: string,
): Html {
  return html`
    <div class="scroll" ${id === undefined ? "" : html`
      id="${id}"
    `} role="region" aria-label="${label}" tabindex="0">
      <table>
        <thead>
          <tr>${columns.map(({ label, kind = "" }) =>
            html`<th scope="col" class="${kind}">${label}</th>`
          )}</tr>
        </thead>
        <tbody>${rows}</tbody>
      </table>
    </div>
  `;
}

/** Text instead of an empty table. */
export function empty(...content: Content[]): Html {
  return html`<div class="scroll empty">${content.map((one) => html`<p>${one}</p>`)}</div>`;
}
