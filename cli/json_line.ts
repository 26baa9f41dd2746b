import { toJson } from "./dead_letters/format.ts";

/** Number of the form of JSON output. It grows when a field changes its meaning, or goes. */
export const SCHEMA = 1;

/** Fields of commands that control workers which hold times, in milliseconds since the epoch. */
const TIMES: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "since",
  "until",
  "before",
  "nextAt",
  "lastAt",
]);

/**
 * A line of output for programs.
 *
 * @param value What it says.
 * @returns JSON with the number of its form, and a line break.
 */
export function jsonLine(value: Readonly<Record<string, unknown>>): string {
  return `${toJson({ schema: SCHEMA, ...value })}\n`;
}

/** The same value, with ISO times in UTC. */
export function withIsoTimes(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      TIMES.has(name) && typeof one === "number" ? new Date(one).toISOString() : one,
    ]),
  );
}
