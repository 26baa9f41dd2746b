/** Lines about a family before its samples. */
export interface Family {
  readonly type: string;
  readonly help: string;
}

/** The text format of Prometheus, read. */
export interface ExpositionText {
  readonly families: ReadonlyMap<string, Family>;
  /** Values by name and labels, the labels in alphabetical order: `name{a="1",b="2"}`. */
  readonly samples: ReadonlyMap<string, number>;
}

/**
 * Reads metrics as Prometheus does. What it does not understand, or finds twice, is an error.
 *
 * @param text What a server answered.
 * @returns Families and samples.
 */
export function readExposition(text: string): ExpositionText {
  const families = new Map<string, Family>();
  const samples = new Map<string, number>();
  let help = "";
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const described = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (described !== null) {
      const [, kind, name = "", rest = ""] = described;
      if (kind === "HELP") help = rest;
      else addOnce(families, name, { type: rest, help });
      continue;
    }
    const [, name, labels = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (value === undefined || Number.isNaN(Number(value))) throw new Error(`No sample: ${line}`);
    const pairs = [...labels.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)];
    if (pairs.map(([pair]) => pair).join(",") !== labels) throw new Error(`No labels: ${line}`);
    addOnce(samples, sampleKey(name!, pairs.map(([, label, of]) => [label!, of!])), Number(value));
  }
  return { families, samples };
}

/** The key of a sample: its name, and its labels in alphabetical order. */
export function sampleKey(name: string, labels: readonly (readonly [string, string])[]): string {
  const sorted = labels.toSorted(([a], [b]) => a < b ? -1 : 1);
  return `${name}{${sorted.map(([label, value]) => `${label}="${value}"`).join(",")}}`;
}

function addOnce<V>(map: Map<string, V>, key: string, value: V): void {
  if (map.has(key)) throw new Error(`Twice in one exposition: ${key}`);
  map.set(key, value);
}
