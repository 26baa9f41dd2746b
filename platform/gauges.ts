/** A number with its labels. */
export interface GaugeSample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** A gauge for Prometheus. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly samples: readonly GaugeSample[];
}

/** Content type of the text format of Prometheus. */
export const GAUGES_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Writes gauges in the text format of Prometheus.
 *
 * @param gauges The gauges; those without samples are omitted.
 * @returns The lines.
 */
export function gaugesText(gauges: readonly Gauge[]): string {
  return gauges.filter(({ samples }) => samples.length > 0).map(({ name, help, samples }) => {
    const lines = samples.map(({ value, labels }) => `${name}${labelsText(labels)} ${value}\n`);
    return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join("")}`;
  }).join("");
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/**
 * A name as the value of a label. Lone surrogates become U+FFFD, as UTF-8 encodes them, and so do
 * carriage returns, which the format cannot escape. Names that become equal must share one series.
 */
export function toLabelValue(name: string): string {
  return name.toWellFormed().replaceAll("\r", "\ufffd");
}

/** Escapes the value of a label. Source: the page "Exposition formats" of Prometheus. */
export function escapeLabel(value: string): string {
  if (!/["\\\n\r]/.test(value)) return value;
  return toLabelValue(value).replaceAll("\\", "\\\\").replaceAll('"', '\\"')
    .replaceAll("\n", "\\n");
}
