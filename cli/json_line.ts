import { toJson } from "./dead_letters/format.ts";
import { isoTime } from "./iso_time.ts";

/** Version of the JSON output. Incremented when a field changes its meaning, or is removed. */
export const SCHEMA = 1;

/** Fields that are times in milliseconds since the epoch. */
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
 * @param value The fields.
 * @returns JSON with the version, and a line break.
 */
export function jsonLine(value: Readonly<Record<string, unknown>>): string {
  return `${toJson({ schema: SCHEMA, ...value })}\n`;
}

/** Replaces times with ISO 8601 texts in UTC. */
export function withIsoTimes(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      TIMES.has(name) && typeof one === "number" ? isoTime(one) : one,
    ]),
  );
}
