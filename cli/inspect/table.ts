import { escapeText } from "../../platform/escape.ts";
import { shorten } from "../../platform/thrown.ts";

/** Characters of a cell. */
const MAX_CELL = 1_000;

/** Column of a table. */
export interface Column {
  readonly title: string;
  /** True for numbers, which are aligned at their end. */
  readonly isNumber?: boolean;
  /** Longest width; longer texts are cut. */
  readonly width?: number;
}

/**
 * A table as text. Cells are escaped: they may come from messages.
 *
 * @param columns The columns.
 * @param rows The cells.
 * @param width Columns of the terminal, to which lines are cut.
 * @returns Lines, the titles first.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
): string {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) =>
    row.map((cell, i) => escapeText(shorten(cell, columns[i]!.width ?? MAX_CELL)))
  );
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const lines = cells.map((row) => {
    const parts = row.map((cell, i) =>
      columns[i]!.isNumber ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)
    );
    const line = parts.join("  ").trimEnd();
    return width === undefined ? line : line.slice(0, width);
  });
  return `${lines.join("\n")}\n`;
}

/** A count for people; "?" if the broker does not tell. */
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

/** A time for programs: ISO 8601 in UTC, or `null`. */
export function isoTime(ms: number | undefined): string | null {
  if (ms === undefined) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
