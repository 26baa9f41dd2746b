/**
 * Numbers and times as people read them.
 *
 * @module
 */
import { html } from "hono/html";
import type { Html } from "./text.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @returns `1,208`; a dash for what is not known. */
export function count(value: number | undefined): string {
  if (value === undefined) return "–";
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @returns A rate: whole from 10, with one digit below. */
export function rate(value: number | undefined): string {
  if (value === undefined) return "–";
  return value >= 10 || value === 0 ? count(value) : value.toFixed(1);
}

/** @returns `12.4 MiB`. */
export function bytes(value: number | undefined): string {
  if (value === undefined) return "–";
  if (value < 1_024) return `${value} B`;
  const power = Math.min(Math.floor(Math.log2(value) / 10), 4);
  const scaled = value / 1_024 ** power;
  return `${scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${"KMGT"[power - 1]}iB`;
}

/** @returns A span of time by its two largest units: `48 s`, `2 h 14 m`. */
export function span(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return "–";
  const ms = Math.max(0, milliseconds);
  if (ms < SECOND) return ms < 1 ? "0 s" : `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / SECOND)} s`;
  if (ms < 10 * MINUTE) return two(ms, MINUTE, "m", SECOND, "s");
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m`;
  if (ms < DAY) return two(ms, HOUR, "h", MINUTE, "m");
  return two(ms, DAY, "d", HOUR, "h");
}

function two(ms: number, large: number, one: string, small: number, other: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${one}${rest === 0 ? "" : ` ${rest} ${other}`}`;
}

/**
 * A point in time, in UTC; the script shows it in the zone of the reader if they want that.
 *
 * @param at Milliseconds since the epoch.
 * @param now The present: of another day, the date is shown, too.
 */
export function time(at: number | undefined, now: number): Html | string {
  if (at === undefined || !Number.isFinite(at) || Math.abs(at) > 8.64e15) return "–";
  const iso = new Date(at).toISOString();
  const clock = iso.slice(11, 19);
  const isToday = iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  const shown = isToday ? clock : `${iso.slice(0, 10)} ${clock}`;
  return html`<time datetime="${iso}" title="${iso}">${shown}</time>`;
}

/** @returns A time for programs. */
export function isoTime(at: number | undefined): string | undefined {
  if (at === undefined || !Number.isFinite(at) || Math.abs(at) > 8.64e15) return undefined;
  return new Date(at).toISOString();
}
