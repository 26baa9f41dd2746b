/** Maximum of indented levels. */
const MAX_INDENT = 40;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/**
 * Indents a JSON text without parsing it, so that numbers keep their precision.
 *
 * @param json The text, valid or not.
 * @returns The same tokens, with one value per line.
 */
export function indentJson(json: string): string {
  let depth = 0;
  let out = "";
  let previous = "";
  const line = () => `\n${"  ".repeat(Math.min(depth, MAX_INDENT))}`;
  for (const [token] of json.matchAll(TOKEN)) {
    const closes = token === "}" || token === "]";
    if (closes) depth = Math.max(0, depth - 1);
    const isEmpty = closes && (previous === "{" || previous === "[");
    const breaks = closes ? !isEmpty : previous === "{" || previous === "[" || previous === ",";
    if (breaks && token !== "," && token !== ":") out += line();
    out += token === ":" ? ": " : token;
    if (token === "{" || token === "[") depth++;
    previous = token;
  }
  return out;
}
