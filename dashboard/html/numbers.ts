/**
 * Numbers and times for people.
 *
 * @module
 */
import { html } from "hono/html";
import type { Html } from "./text.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** @returns A number such as `1,208`; a dash if unknown. */
export function count(value: number | undefined): string {
  if (value === undefined) return "–";
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** @returns A rate: an integer from 10, with one decimal below. */
export function rate(value: number | undefined): string {
  if (value === undefined) return "–";
  return value >= 10 || value === 0 ? count(value) : value.toFixed(1);
}

/** @returns A size such as `12.4 MiB`. */
export function bytes(value: number | undefined): string {
  if (value === undefined) return "–";
  if (value < 1_024) return `${value} B`;
  const power = Math.min(Math.floor(Math.log2(value) / 10), 4);
  const scaled = value / 1_024 ** power;
  return `${scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${"KMGT"[power - 1]}iB`;
}

/** @returns A span of time in its two largest units, such as `48 s` or `2 h 14 m`. */
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
 * A time in UTC. The script converts it to local time if preferred.
 *
 * @param at Milliseconds since the epoch.
 * @param now The current time. If the day differs, the date is shown, too.
 */
export function time(at: number | undefined, now: number): Html | string {
  if (at === undefined || !Number.isFinite(at) || Math.abs(at) > 8.64e15) return "–";
  const iso = new Date(at).toISOString();
  const clock = iso.slice(11, 19);
  const isToday = iso.slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  const shown = isToday ? clock : `${iso.slice(0, 10)} ${clock}`;
  return html`<time datetime="${iso}" title="${iso}">${shown}</time>`;
}

/** @returns A time in ISO 8601; `undefined` if unknown or invalid. */
export function isoTime(at: number | undefined): string | undefined {
  if (at === undefined || !Number.isFinite(at) || Math.abs(at) > 8.64e15) return undefined;
  return new Date(at).toISOString();
}
