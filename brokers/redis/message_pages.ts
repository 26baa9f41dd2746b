import type { Buffer } from "node:buffer";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import type { RedisReply } from "../../clients/redis/reply.ts";
import type { MessageRef, MessageState, QueueOverview } from "../../core/inspection.ts";
import type { CheckedQuery, StoredPage } from "../../core/message_listing.ts";
import { cut, type StoredEntry, waitsSince } from "../../core/stored_entry.ts";
import { showValue } from "../../platform/show_value.ts";
import { LIST, RANGE, WINDOW } from "./inspection_scripts.ts";
import type { QueueKeys } from "./keys.ts";

/** A queue to read pages of messages from. */
export interface PageSource {
  readonly connection: RedisConnection;
  readonly keys: QueueKeys;
}

/** An entry of a script's result. A long text comes as its beginning and its end. */
type Entry = readonly [
  id: Buffer,
  at: Buffer | number,
  length?: number,
  text?: Buffer,
  end?: Buffer,
];

/** Prefix of cursors of delayed messages that are not sorted yet. */
const UNSORTED = "list:";

/**
 * Reads ready messages.
 *
 * @param source The queue.
 * @param query The query.
 * @param after Cursor: position and id of the message before.
 * @param count Maximum of messages.
 */
export async function readListed(
  { connection, keys: { queue, messages } }: PageSource,
  query: CheckedQuery,
  after: string | undefined,
  count: number,
): Promise<StoredPage> {
  return await readList(connection, [queue, messages], query, after, count);
}

async function readList(
  connection: RedisConnection,
  keys: readonly [list: string, texts: string],
  { queueName, state, order }: CheckedQuery,
  after: string | undefined,
  count: number,
): Promise<StoredPage> {
  const isReverse = order === "newest";
  const [position, id] = splitCursor(after, isReverse ? "-1" : "0");
  const args = [Math.trunc(Number(position)) || 0, id, count, isReverse ? 1 : 0];
  const reply = await connection.runWithRetry(LIST, keys, () => args);
  const [now, length, total, start, moved, entries] = reply as [
    number,
    number,
    number,
    number,
    number,
    Entry[],
  ];
  const isLast = isReverse ? start - count < 0 : start + count >= length;
  return {
    now,
    total: state === "ready" ? length : total,
    isLast,
    movedTo: moved === 1 ? start : undefined,
    entries: entries.map((entry) => toEntry(queueName, state, entry)),
  };
}

/**
 * Reads dead letters in the order of their deaths.
 *
 * @param source The queue.
 * @param query The query.
 * @param after Cursor: score and id of the message before.
 * @param count Maximum of messages.
 */
export async function readSorted(
  { connection, keys: { deadLetters, deadMessages } }: PageSource,
  query: CheckedQuery,
  after: string | undefined,
  count: number,
): Promise<StoredPage> {
  return await readRange(connection, [deadLetters, deadMessages], query, after, count);
}

/**
 * Reads delayed messages: first those that workers have sorted by eta, then the others.
 *
 * @param source The queue.
 * @param list Key of the delay queue.
 * @param query The query.
 * @param after Cursor, as for `readSorted`, or as for `readListed` after the prefix `UNSORTED`.
 * @param count Maximum of messages.
 */
export async function readDelayed(
  { connection, keys: { etas, delayed } }: PageSource,
  list: string,
  query: CheckedQuery,
  after: string | undefined,
  count: number,
): Promise<StoredPage> {
  const entries: StoredEntry[] = [];
  let listCursor: string | undefined;
  if (after?.startsWith(UNSORTED)) {
    listCursor = after.slice(UNSORTED.length) || undefined;
  } else {
    const page = await readRange(connection, [etas, delayed], query, after, count);
    if (!page.isLast) return page;
    entries.push(...page.entries);
  }
  const left = count - entries.length;
  // Reads one even if the page is full, to know whether it is the last.
  const page = await readList(connection, [list, delayed], query, listCursor, Math.max(1, left));
  const more = page.entries.slice(0, left).map((one) => ({
    ...one,
    cursor: UNSORTED + one.cursor,
  }));
  const isLast = page.isLast && page.entries.length <= left;
  return { ...page, isLast, movedTo: undefined, entries: [...entries, ...more] };
}

async function readRange(
  connection: RedisConnection,
  keys: readonly [sorted: string, texts: string],
  { queueName, state, order, since, before }: CheckedQuery,
  after: string | undefined,
  count: number,
): Promise<StoredPage> {
  const [score, id] = splitCursor(after, "");
  const isReverse = order === "newest";
  const args = [id, score, count, isReverse ? 1 : 0, since ?? "-inf", before ?? "+inf"];
  const reply = await connection.runWithRetry(RANGE, keys, () => args);
  const [now, _ids, total, more, entries] = reply as [number, number, number, number, Entry[]];
  return {
    now,
    total,
    isLast: more === 0,
    entries: entries.map((entry) => toEntry(queueName, state, entry)),
  };
}

/** Parses a cursor, which users pass: the score is a number, the id any text. */
function splitCursor(cursor: string | undefined, first: string): [at: string, id: string] {
  if (cursor === undefined) return [first, ""];
  const at = cursor.slice(0, cursor.indexOf(","));
  const id = cursor.slice(cursor.indexOf(",") + 1);
  if (Number.isNaN(Number(at)) || at === "" || id === "") {
    throw new RangeError(`Cannot go on after ${showValue(cursor)}: it is no end of a page`);
  }
  return [at, id];
}

function toEntry(
  queueName: string,
  state: MessageState,
  [id, place, size, text, end]: Entry,
): StoredEntry {
  const [key, at] = [id.toString(), Number(String(place))];
  const time = Math.floor(at);
  const isListed = state === "ready";
  return {
    ref: { queueName, state, key, ...(isListed && { position: at }) },
    data: text ?? "",
    ...(end !== undefined && { tail: end }),
    size: size ?? 0,
    isGone: size === undefined,
    ...(state === "dead" && { diedAt: time }),
    ...(state === "delayed" && typeof place !== "number" && { eta: time }),
    cursor: `${place},${key}`,
  };
}

/** Time since which a message waits, read from its text or the end of that. */
function waitsSinceOf(text: Uint8Array): number | undefined {
  const ref = { queueName: "", state: "ready", key: "" } as const;
  return waitsSince({ ref, ...cut(text), cursor: "" }) ??
    waitsSince({ ref, data: text, tail: text, size: text.length, cursor: "" });
}

/** Groups messages of one queue by positions within a window of the last one. */
export function* nearEachOther(refs: readonly MessageRef[]): Generator<MessageRef[]> {
  const byQueue = Map.groupBy(refs, ({ queueName }) => queueName);
  for (const all of byQueue.values()) {
    // From the end, since removals only move the messages behind them.
    const sorted = all.toSorted((a, b) => (a.position ?? 0) - (b.position ?? 0));
    while (sorted.length > 0) {
      const last = sorted.at(-1)!.position ?? 0;
      const start = sorted.findIndex(({ position = 0 }) => position > last - WINDOW);
      yield sorted.splice(start);
    }
  }
}

/** Converts a result of `OVERVIEW` for one queue. */
export function toOverview(
  queueName: string,
  [ready, stored, delayed, dead, head]: readonly RedisReply[],
): QueueOverview {
  return {
    queueName,
    ready: ready as number,
    delayed: delayed as number,
    unacknowledged: Math.max(0, (stored as number) - (ready as number)),
    dead: dead as number,
    headSince: head ? waitsSinceOf(head as Buffer) : undefined,
    consumers: undefined,
  };
}
