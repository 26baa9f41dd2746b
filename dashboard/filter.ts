import type { MessageQuery } from "../core/inspection.ts";

/** Filter of a list of messages, as encoded in addresses. */
export interface Filter {
  readonly actor?: string;
  readonly error?: string;
  /** A span of time before now, such as `1h`, or milliseconds since the epoch. */
  readonly since?: string;
  /** Milliseconds since the epoch. */
  readonly before?: string;
}

/** Spans of time in milliseconds, by their names. */
export const SPANS: Readonly<Record<string, number>> = {
  "10m": 600_000,
  "1h": 3_600_000,
  "1d": 86_400_000,
  "7d": 604_800_000,
};

const NAMES = ["actor", "error", "since", "before"] as const;

/** Reads a filter from an address or a form. */
export function filterOf(get: (name: string) => string | null | undefined): Filter {
  const pairs = NAMES.map((name) => [name, get(name)?.trim()] as const);
  return Object.fromEntries(pairs.filter(([, value]) => value));
}

/** True if a filter leaves messages out. */
export function isFiltered(filter: Filter): boolean {
  return Object.keys(filter).length > 0;
}

/** Converts a filter to fields of a query. */
export function toQuery(
  { actor, error, since, before }: Filter,
  now: number,
): Pick<MessageQuery, "actorName" | "error" | "since" | "before"> {
  const from = since === undefined
    ? undefined
    : Object.hasOwn(SPANS, since)
    ? now - SPANS[since]!
    : numberOf(since);
  const until = before === undefined ? undefined : numberOf(before);
  return {
    ...(actor !== undefined && { actorName: actor }),
    ...(error !== undefined && { error }),
    ...(from !== undefined && { since: from }),
    ...(until !== undefined && { before: until }),
  };
}

function numberOf(text: string): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** A filter as text, for logs and headings. */
export function filterText({ actor, error, since, before }: Filter): string | undefined {
  const parts = [
    ...actor === undefined ? [] : [`actor=${actor}`],
    ...error === undefined ? [] : [`error=${JSON.stringify(error)}`],
    ...since === undefined ? [] : [`since=${timeText(since)}`],
    ...before === undefined ? [] : [`before=${timeText(before)}`],
  ];
  return parts.length === 0 ? undefined : parts.join(" ");
}

function timeText(value: string): string {
  const at = numberOf(value);
  return at === undefined || Math.abs(at) > 8.64e15 ? value : new Date(at).toISOString();
}
