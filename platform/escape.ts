/**
 * Text that comes from messages and goes to a terminal or a text log: an actor name, an id or an
 * error that a stranger chose must neither forge a line nor steer a terminal.
 *
 * @module
 */

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, and the characters that change
 * the direction of text or are invisible.
 */
const UNSAFE =
  // deno-lint-ignore no-control-regex -- these are what a terminal obeys
  /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const SAFE_NAMES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Escapes a text that is to stay on one line.
 *
 * @param text Any text.
 * @returns The text with `\n`, `\x1b`, `\u202e` and the like written out.
 */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/**
 * Escapes a text of many lines: line breaks stay, and tabs.
 *
 * @param text Any text.
 * @returns The text with every other unsafe character written out.
 */
export function escapeLines(text: string): string {
  return text.replace(
    UNSAFE,
    (character) => character === "\n" || character === "\t" ? character : escaped(character),
  );
}

/**
 * Escapes what JSON leaves as it is and a terminal obeys.
 *
 * @param json A JSON text on one line.
 * @returns The same value as JSON.
 */
export function escapeJson(json: string): string {
  return json.replace(UNSAFE, (character) => `\\u${hex(character, 4)}`);
}

function escaped(character: string): string {
  const name = SAFE_NAMES[character];
  if (name !== undefined) return name;
  return character <= "\xff" ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`;
}

function hex(character: string, digits: number): string {
  return character.charCodeAt(0).toString(16).padStart(digits, "0");
}
