import type { CountFilesResult } from "./count_files.ts";
import { type Frequency, MAX_DIFFERENT_WORDS } from "./text_counter.ts";

const MOST_FREQUENT = 10;
/** A folder full of unreadable files should not fill the screen. */
const FAILURES_SHOWN = 5;

/** Data of the report. */
export interface Report extends CountFilesResult {
  /** Number of files. */
  readonly found: number;
  /** Duration. */
  readonly seconds: number;
  /** True if Ctrl-C ended it early. */
  readonly isInterrupted: boolean;
}

/** Says in one line how far it came, then gives all figures. */
export function formatReport(report: Report): string {
  const { totals, failures, killed, done, found, seconds, isInterrupted } = report;
  const messages = 2 * (totals.files + totals.binaryFiles) + totals.retries + failures.length;
  const frequent = totals.mostFrequent(MOST_FREQUENT);
  const figures: [string, string][] = [
    ["text files", format(totals.files)],
    ["lines", format(totals.lines)],
    ["words", format(totals.words)],
    ["bytes", format(totals.bytes)],
    ["binary files", format(totals.binaryFiles)],
    ["unreadable", format(failures.length)],
    ["retries", format(totals.retries)],
    ["digest", totals.digest()],
    ["seconds", seconds.toFixed(2)],
    ["messages a second", format(Math.round(messages / seconds))],
  ];
  return [
    `${isInterrupted ? "Interrupted after" : "Done:"} ${format(done)} of ${format(found)} files.`,
    "",
    ...align(figures),
    ...(killed === undefined ? [] : ["", ...formatKill(killed, report)]),
    ...(frequent.length > 0 ? ["", ...formatFrequent(frequent, totals.cutFiles)] : []),
    ...(failures.length > 0 ? ["", ...formatFailures(failures)] : []),
    "",
  ].join("\n");
}

/** Kills of a process and their purpose: to show that nothing comes of it. */
function formatKill(pid: number, { totals, done, isInterrupted }: Report): string[] {
  const lines = [
    `Worker process ${pid} was killed (SIGKILL) in the middle; what it had ran again.`,
  ];
  if (!isInterrupted) {
    lines.push(
      `All ${format(done)} files were counted exactly once` +
        (totals.repeated > 0 ? `, although ${format(totals.repeated)} came twice.` : "."),
    );
  }
  return lines;
}

function formatFrequent(frequent: readonly Frequency[], cutFiles: number): string[] {
  const lines = [
    "most frequent words (runs of letters, in lower case)",
    ...align(frequent.map(([word, count]) => [word, format(count)])),
  ];
  if (cutFiles > 0) {
    const limit = format(MAX_DIFFERENT_WORDS);
    lines.push(`files of which only the first ${limit} different words are here: ${cutFiles}`);
  }
  return lines;
}

function formatFailures(failures: readonly string[]): string[] {
  const more = failures.length - FAILURES_SHOWN;
  return [
    ...failures.slice(0, FAILURES_SHOWN),
    ...(more > 0 ? [`and ${format(more)} more`] : []),
  ];
}

function align(rows: readonly (readonly [string, string])[]): string[] {
  const left = Math.max(...rows.map(([label]) => label.length));
  const right = Math.max(...rows.map(([, value]) => value.length));
  return rows.map(([label, value]) => `  ${label.padEnd(left)}  ${value.padStart(right)}`);
}

function format(number: number): string {
  return number.toLocaleString("en-US");
}
