/**
 * Untrusted text on pages. Templates escape HTML; this module makes invisible characters visible.
 *
 * @module
 */
import { html } from "hono/html";
import { shorten } from "../../platform/thrown.ts";

/** HTML from a template, which escapes all texts in it. */
export type Html = ReturnType<typeof html>;

/** Values that a template takes. */
export type Content = Html | string | number | undefined | readonly Content[];

/**
 * Control characters, lone surrogates, and characters that are invisible or change the direction.
 */
const UNSAFE =
  // deno-lint-ignore no-control-regex -- matches control characters on purpose
  /([\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff])/g;
/** Maximum of characters of a name in a table or heading. */
const MAX_NAME = 200;

/**
 * Shows an untrusted text, isolated from the direction of the text around it.
 *
 * @param value The text.
 * @param limit Maximum of characters.
 */
export function text(value: string, limit = MAX_NAME): Html {
  return html`<bdi>${visible(shorten(value, limit))}</bdi>`;
}

/** Shows an untrusted text of several lines in full. */
export function block(value: string): Html {
  return html`<pre tabindex="0"><bdi>${visible(value)}</bdi></pre>`;
}

/** An untrusted text for an attribute, a title or a header, with unsafe characters as `U+…`. */
export function plain(value: string, limit = MAX_NAME): string {
  return shorten(value, limit).replace(UNSAFE, (character) => nameOf(character))
    .replace(/[\n\t]/g, " ");
}

function visible(value: string): Content {
  // `split` with a group: every second part is an unsafe character.
  return value.split(UNSAFE).map((part, i) =>
    i % 2 === 0 ? part : html`<span class="char">${nameOf(part)}</span>`
  );
}

function nameOf(character: string): string {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
