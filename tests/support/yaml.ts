/** A value of a YAML document. */
export type Yaml = string | number | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
}

/**
 * Parses block mappings and sequences of plain, quoted and literal scalars, as manifests have them.
 * Anything else throws: this is no YAML library.
 *
 * @param text The document.
 */
export function parseYaml(text: string): Yaml {
  const lines = text.split("\n").filter((line) => !/^\s*(?:#|$)/.test(line)).map((line): Line => {
    if (line.includes("\t")) throw new SyntaxError(`Tab in ${line}`);
    return { indent: line.search(/\S/), text: line.trim() };
  });
  const value = parseBlock(lines, 0);
  if (lines.length > 0) throw new SyntaxError(`Cannot parse "${lines[0]!.text}"`);
  return value;
}

/** Takes the lines of one block off a list. */
function parseBlock(lines: Line[], least: number): Yaml {
  const { indent, text } = lines[0]!;
  if (indent < least) throw new SyntaxError(`Cannot parse "${text}": it is not indented`);
  return text.startsWith("- ") ? parseSequence(lines, indent) : parseMapping(lines, indent);
}

function parseSequence(lines: Line[], indent: number): Yaml[] {
  const items: Yaml[] = [];
  while (lines[0]?.indent === indent && lines[0].text.startsWith("- ")) {
    const inner = lines[0].text.slice(2);
    if (!/^[\w-]+:(?: |$)/.test(inner)) {
      items.push(parseScalar(inner));
      lines.shift();
      continue;
    }
    lines[0] = { indent: indent + 2, text: inner };
    items.push(parseMapping(lines, indent + 2));
  }
  return items;
}

function parseMapping(lines: Line[], indent: number): Yaml {
  const mapping: Record<string, Yaml> = {};
  while (lines[0]?.indent === indent && !lines[0].text.startsWith("- ")) {
    const [, key, value] = /^([\w.-]+):(?: (.+))?$/.exec(lines[0].text) ?? [];
    if (key === undefined) throw new SyntaxError(`Cannot parse "${lines[0].text}"`);
    if (key in mapping) throw new SyntaxError(`"${key}" is there twice`);
    lines.shift();
    mapping[key] = value === undefined
      ? parseBlock(lines, indent + 1)
      : value === "|"
      ? takeLiteral(lines, indent + 1)
      : parseScalar(value);
  }
  return mapping;
}

/** Takes the lines of a literal scalar; those that look like comments, and indentation, are lost. */
function takeLiteral(lines: Line[], least: number): string {
  let text = "";
  while (lines[0] !== undefined && lines[0].indent >= least) text += `${lines.shift()!.text}\n`;
  return text;
}

function parseScalar(text: string): string | number {
  if (/^"[^"\\]*"$/.test(text)) return text.slice(1, -1);
  if (/^-?\d+$/.test(text)) return Number(text);
  // What would be a flow collection, an anchor, a comment or another type.
  if (/^[[{&*!|>'"%@`]|: |\s#/.test(text) || /^(?:true|false|yes|no|on|off|null|~)$/i.test(text)) {
    throw new SyntaxError(`Cannot parse "${text}": write it in double quotes`);
  }
  return text;
}
