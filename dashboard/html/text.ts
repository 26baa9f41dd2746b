/**
 * Text of messages on pages: templates escape it, this module makes visible what is not.
 *
 * @module
 */
import { html } from "hono/html";
import { shorten } from "../../platform/thrown.ts";

/** HTML that a template made; text of others becomes a part of it only escaped. */
export type Html = ReturnType<typeof html>;

/** Values that a template takes. */
export type Content = Html | string | number | undefined | readonly Content[];

/** Control characters, halves of characters, and those that are invisible or change the direction. */
const UNSAFE =
  // deno-lint-ignore no-control-regex -- these are meant
  /([\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff])/g;
/** Characters of a name in a table or heading. */
const MAX_NAME = 200;

/**
 * Shows a text that somebody else chose, isolated from the text around it.
 *
 * @param value The text.
 * @param limit Characters that are shown.
 */
export function text(value: string, limit = MAX_NAME): Html {
  return html`<bdi>${visible(shorten(value, limit))}</bdi>`;
}

/** Shows a text of many lines in full. */
export function block(value: string): Html {
  return html`<pre tabindex="0"><bdi>${visible(value)}</bdi></pre>`;
}

/** A text for an attribute, a title or a header: unsafe characters are written out. */
export function plain(value: string, limit = MAX_NAME): string {
  return shorten(value, limit).replace(UNSAFE, (character) => nameOf(character))
    .replace(/[\n\t]/g, " ");
}

function visible(value: string): Content {
  // Split by a group: each second part is an unsafe character.
  return value.split(UNSAFE).map((part, i) =>
    i % 2 === 0 ? part : html`<span class="char">${nameOf(part)}</span>`
  );
}

function nameOf(character: string): string {
  return `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
