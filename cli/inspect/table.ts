import { escapeText } from "../../platform/escape.ts";
import { shorten } from "../../platform/thrown.ts";

/** Maximum of characters of a cell. */
const MAX_CELL = 1_000;

/** Column of a table. */
export interface Column {
  readonly title: string;
  /** True to align right, for numbers. */
  readonly isNumber?: boolean;
  /** Maximum width; longer texts are cut. */
  readonly width?: number;
  /** True for names, which are cut first if the terminal is too narrow. */
  readonly isName?: boolean;
}

/** Characters of a name, or of the last column, that stay visible on a narrow terminal. */
const LEAST_WIDTH = 20;
const GAP = "  ";

/**
 * Formats a table. Cells are escaped, since they may come from messages.
 *
 * On a narrow terminal names are cut, then the last column. Rows that still do not fit take a second
 * line: what is to the right, numbers and ids, is what one looks for.
 *
 * @param columns The columns.
 * @param rows The cells.
 * @param width Columns of the terminal, if the output goes to one.
 * @returns Lines, the titles first.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number = Infinity,
): string {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) =>
    row.map((cell, i) => escapeText(shorten(cell, columns[i]!.width ?? MAX_CELL)))
  );
  const widths = fit(
    columns,
    columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length))),
    width,
  );
  const lines = cells.map((row) =>
    row.map((cell, i) => {
      const cut = cell.length > widths[i]! ? `${cell.slice(0, widths[i]! - 1)}…` : cell;
      return columns[i]!.isNumber ? cut.padStart(widths[i]!) : cut.padEnd(widths[i]!);
    }).join(GAP).trimEnd()
  );
  return `${lines.join("\n")}\n`;
}

/** Makes columns narrower until a row fits a line of the terminal, or two. */
function fit(columns: readonly Column[], widths: readonly number[], width: number): number[] {
  const fitting = [...widths];
  const last = fitting.length - 1;
  const taken = (end: number) =>
    fitting.slice(0, end).reduce((sum, one) => sum + one + GAP.length, 0);
  const least = Math.min(fitting[last]!, LEAST_WIDTH);
  for (const [i, { isName }] of columns.entries()) {
    const excess = taken(last) + least - width;
    if (isName && excess > 0) {
      fitting[i] = Math.max(Math.min(fitting[i]!, LEAST_WIDTH), fitting[i]! - excess);
    }
  }
  const room = width - taken(last);
  fitting[last] = Math.min(fitting[last]!, room < least ? Math.max(room + width, least) : room);
  return fitting;
}

/** A count for people; "?" if unknown. */
export function formatCount(count: number | undefined): string {
  return count === undefined ? "?" : count.toLocaleString("en-US");
}

/** A time for people: `2026-11-29 14:02:11`, in UTC or the zone of this machine. */
export function formatTime(ms: number | undefined, isUtc: boolean): string {
  if (ms === undefined) return "-";
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return String(ms);
  const local = new Date(ms - (isUtc ? 0 : date.getTimezoneOffset() * 60_000));
  return local.toISOString().slice(0, 19).replace("T", " ");
}
