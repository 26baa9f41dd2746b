/**
 * True if a path fits one of some patterns: `*` stands for any letters but a slash, `**` for
 * any folders, `?` for a letter, `{a,b}` for either. A pattern without a slash is for names of
 * files, in whichever folder.
 *
 * @param path A path, with slashes.
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
    // A comma is one of a list only inside braces.
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
