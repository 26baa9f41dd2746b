/**
 * True if a path matches one of several patterns. `*` matches any characters except a slash, `**`
 * any folders, `?` one character, `{a,b}` either. A pattern without a slash matches file names in
 * any folder.
 *
 * @param path A path with forward slashes.
 * @param patterns The patterns.
 */
export function matches(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => toExpression(pattern).test(path));
}

const expressions = /* @__PURE__ */ new Map<string, RegExp>();

function toExpression(pattern: string): RegExp {
  let expression = expressions.get(pattern);
  if (expression === undefined) {
    const anywhere = pattern.includes("/") ? pattern : `**/${pattern}`;
    // Split at braces: only inside them a comma separates alternatives.
    const source = anywhere.split(/(\{[^{}]*\})/).map((part, i) =>
      i % 2 === 0 ? translate(part) : `(?:${part.slice(1, -1).split(",").map(translate).join("|")})`
    ).join("");
    expressions.set(pattern, expression = new RegExp(`^${source}$`));
  }
  return expression;
}

const WILDCARDS: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ["**/", "(?:.*/)?"],
  ["**", ".*"],
  ["*", "[^/]*"],
  ["?", "[^/]"],
]);

function translate(pattern: string): string {
  return pattern.replace(/\*\*\/|\*\*|[^\w/]/g, (sign) => WILDCARDS.get(sign) ?? `\\${sign}`);
}
