import type { InspectedMessage, MessagePage, MessageQuery } from "./inspection.ts";
import { checkKnownOptions, type KnownOptions } from "./known_options.ts";
import { showValue } from "../platform/show_value.ts";
import { shorten } from "../platform/thrown.ts";
import { type StoredEntry, toInspected } from "./stored_entry.ts";

/** Number of messages that a filter reads at once. */
const STEP = 250;
/** Limits at which a page with a filter ends, however little it has found. */
const MAX_SCAN = 2_000;
const MAX_BYTES = 4 * 2 ** 20;
const MAX_MS = 300;
/** Number of messages on a page. */
const PAGE = 50;
const LONGEST_PAGE = 200;

const KNOWN_OPTIONS: KnownOptions<MessageQuery> = {
  queueName: true,
  state: true,
  actorName: "string",
  messageId: "string",
  error: "string",
  since: "number",
  before: "number",
  order: "string",
  after: "string",
  limit: true,
  scan: true,
};

/** A query that is checked and complete. */
export interface CheckedQuery extends MessageQuery {
  readonly order: "oldest" | "newest";
  readonly limit: number;
  readonly scan: number;
}

/** Messages in the order of a query, as a broker stores them. */
export interface StoredPage {
  /** The messages, as many as were asked for unless there are no more. */
  readonly entries: readonly StoredEntry[];
  /** True if there are no more. */
  readonly isLast: boolean;
  /** Number of messages in this state. */
  readonly total?: number | undefined;
  /** Position at which the page begins if the message of its cursor is gone. */
  readonly movedTo?: number | undefined;
  /** The time of the server. */
  readonly now: number;
}

/**
 * Checks a query.
 *
 * @throws {TypeError} If a field is unknown, or of the wrong type: without its filter, a query is for all
 *   messages.
 * @throws {RangeError} If a number is out of range, or there is no such state or order.
 */
export function checkQuery(query: MessageQuery): CheckedQuery {
  checkKnownOptions("list messages", query, KNOWN_OPTIONS);
  const { limit = PAGE, scan = MAX_SCAN, state, order } = query;
  assertOneOf("state", state, ["ready", "delayed", "unacknowledged", "dead"]);
  if (order !== undefined) assertOneOf("order", order, ["oldest", "newest"]);
  assertCount("list", limit, LONGEST_PAGE);
  assertCount("scan", scan, MAX_SCAN);
  return { ...query, limit, scan, order: order ?? (state === "dead" ? "newest" : "oldest") };
}

function assertOneOf(name: string, value: unknown, values: readonly string[]): void {
  if (values.includes(value as string)) return;
  const given = shorten(showValue(value), 100);
  throw new RangeError(
    `Cannot list messages: ${name} must be one of ${values.join(", ")}, not ${given}`,
  );
}

function assertCount(verb: string, count: number, max: number): void {
  if (Number.isSafeInteger(count) && count >= 1 && count <= max) return;
  throw new RangeError(
    `Cannot ${verb} ${count} messages: it must be a whole number from 1 to ${max}`,
  );
}

/**
 * Reads a page of messages that match a query, within limits.
 *
 * @param query The query.
 * @param read Reads the entries after a cursor.
 * @param signal Ends it.
 * @returns The page.
 */
export async function listMessages(
  query: CheckedQuery,
  read: (after: string | undefined, count: number) => Promise<StoredPage>,
  signal: AbortSignal | undefined,
): Promise<MessagePage> {
  const isFiltered = hasFilter(query);
  // Brokers find times of death and etas themselves: then a page has what it reads.
  const isByTime = query.state === "dead" || query.state === "delayed";
  const isSparse = hasFilter(isByTime ? { ...query, since: undefined, before: undefined } : query);
  const endsAt = performance.now() + MAX_MS;
  const messages: InspectedMessage[] = [];
  let first: StoredPage | undefined;
  let [scanned, bytes] = [0, 0];
  let next = query.after;
  while (true) {
    signal?.throwIfAborted();
    const count = isSparse ? Math.min(STEP, query.scan - scanned) : query.limit;
    const page = await read(next, count);
    first ??= page;
    let isOver = page.isLast;
    for (const [i, entry] of page.entries.entries()) {
      scanned += 1;
      bytes += entry.data.length;
      next = entry.cursor;
      if (entry.isGone) continue;
      const message = toInspected(entry);
      if (!isFiltered || matches(query, message)) messages.push(message);
      if (messages.length < query.limit) continue;
      if (i < page.entries.length - 1) isOver = false;
      bytes = Infinity;
      break;
    }
    const isSpent = scanned >= query.scan || bytes >= MAX_BYTES || performance.now() >= endsAt;
    if (!isOver && !isSpent) continue;
    const { total, movedTo, now } = first;
    return { messages, total, movedTo, now, scanned, next: isOver ? undefined : next };
  }
}

/** Filters of a query. */
type Filters = {
  readonly [Name in "actorName" | "messageId" | "error" | "since" | "before"]?:
    | MessageQuery[Name]
    | undefined;
};

function hasFilter({ actorName, messageId, error, since, before }: Filters): boolean {
  return [actorName, messageId, error, since, before].some((one) => one !== undefined);
}

function matches(query: MessageQuery, message: InspectedMessage): boolean {
  const { actorName, messageId, error, since, before } = query;
  if (actorName !== undefined && message.actorName !== actorName) return false;
  if (messageId !== undefined && message.messageId !== messageId) return false;
  if (error !== undefined && !contains(message.error, error)) return false;
  if (since === undefined && before === undefined) return true;
  const at = timeOf(message);
  return at !== undefined && at >= (since ?? -Infinity) && at < (before ?? Infinity);
}

/** The time that a list goes by. */
function timeOf({ ref: { state }, diedAt, eta, sentAt }: InspectedMessage): number | undefined {
  if (state === "dead") return diedAt;
  return state === "delayed" ? eta : sentAt;
}

function contains(text: string | undefined, part: string): boolean {
  return text !== undefined && text.toLowerCase().includes(part.toLowerCase());
}
