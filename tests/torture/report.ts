import type { Incident } from "./causes.ts";
import type { TortureReport } from "./torture.ts";

type Row = readonly [name: string, value: string | number];

/** @returns A report, for people to read. */
export function formatReport(report: TortureReport): string {
  const { verdict, failures, output } = report;
  const recoveries = verdict.recoveries.toSorted((a, b) => a - b);
  const duplicates = sum(verdict.duplicates.values()) + verdict.unexplained.length;
  const sections: [string, Row[]][] = [
    ["what was done", describeFaults(report)],
    ["what was sent", [
      ["confirmed", verdict.sent],
      ...[...verdict.rejected].map(([error, count]): Row => [`rejected with ${error}`, count]),
      ["rejected, and run all the same", verdict.rejectedButDone],
      ["slowest send, in ms", verdict.slowestSending],
    ]],
    ["what was run", [
      ["runs", verdict.runs],
      ["failed on purpose, and tried again", verdict.failedRuns],
      ["under way when their worker was killed", verdict.cutShort],
      ["confirmed but never run: lost", verdict.lost.length],
      ["run more often than sent", duplicates],
      ...[...verdict.duplicates].toSorted(([, a], [, b]) => b - a)
        .map(([cause, count]): Row => [`  ${cause}`, count]),
      ["  without a cause", verdict.unexplained.length],
    ]],
    ["how long it took, in s", [
      ["all", seconds(report.duration)],
      [`until ${report.target.name} was empty at the end`, seconds(report.settling)],
      ["from a kill until what was cut short ran again: median", seconds(at(recoveries, 0.5))],
      ["  longest", seconds(at(recoveries, 1))],
    ]],
  ];
  const text = sections.map(([title, rows]) => formatSection(title, rows)).join("\n\n");
  if (failures.length === 0) return `${text}\n\nNothing is lost, and nothing is left.`;
  const list = failures.map((failure) => `  ${failure}`).join("\n");
  return `${text}\n\n${output}\n\nFAILED:\n${list}`;
}

const KINDS: Record<Exclude<Incident["kind"], "restart">, string> = {
  kill: "workers killed",
  cut: "connections cut",
  freeze: "connections half-open for a while",
  silence: "connections silent for good",
  pause: "workers paused",
};

function describeFaults({ target, incidents, duration }: TortureReport): Row[] {
  const kinds = { ...KINDS, restart: `${target.name} ${target.restart}` };
  const rows = Object.entries(kinds).map(([kind, name]): Row => {
    return [name, incidents.filter((incident) => incident.kind === kind).length];
  });
  const lasting = incidents.filter(({ kind, to }) => kind !== "kill" && to < Infinity);
  const time = sum(lasting.map(({ from, to }) => to - from));
  return [...rows, ["of that time, in % of all", Math.round(time / duration * 100)]];
}

function formatSection(title: string, rows: readonly Row[]): string {
  const lines = rows.map(([name, value]) => `  ${name.padEnd(56)}${String(value).padStart(9)}`);
  return [title, ...lines].join("\n");
}

/** The value below which that share of the values is. */
function at(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

function seconds(ms: number): string {
  return Number.isNaN(ms) ? "-" : (ms / 1_000).toFixed(1);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
