/**
 * Escaping of untrusted text for terminals and text logs. Actor names, ids and errors come from
 * messages; they must not forge a log line or send control sequences to a terminal.
 *
 * @module
 */

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, and the characters that change
 * the direction of text or are invisible.
 */
const UNSAFE =
  // deno-lint-ignore no-control-regex -- terminals interpret these
  /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;
const SAFE_NAMES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Escapes a text for a single line.
 *
 * @param text Any text.
 * @returns The text with `\n`, `\x1b`, `\u202e` and other unsafe characters as escape sequences.
 */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/**
 * Escapes a text of several lines. Line feeds and tabs stay.
 *
 * @param text Any text.
 * @returns The text with all other unsafe characters as escape sequences.
 */
export function escapeLines(text: string): string {
  return text.replace(
    UNSAFE,
    (character) => character === "\n" || character === "\t" ? character : escaped(character),
  );
}

/**
 * Escapes unsafe characters that JSON does not escape.
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
