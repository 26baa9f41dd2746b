import type { Encoded } from "../encoders/encoder.ts";
import type { InspectedMessage, MessageRef } from "./inspection.ts";
import type { Message } from "./message.ts";
import { decodeFromQueue, UndecodableMessage } from "./undecodable_message.ts";

/** Size in bytes up to which a list holds a whole message. */
export const LONGEST_LISTED = 16_384;
/** Bytes from either end that a list has of a longer one. */
export const CUT_LENGTH = 2_048;

/** A message as an inspector reads it. */
export interface StoredEntry {
  /** Its place. */
  readonly ref: MessageRef;
  /** Stored data; of a cut one its beginning. */
  readonly data: Encoded;
  /** The end of a cut one. */
  readonly tail?: Encoded;
  /** Number of bytes that are stored. */
  readonly size: number;
  /** When it is due, if the broker keeps that apart from the message. */
  readonly eta?: number;
  /** When it died. */
  readonly diedAt?: number;
  /** True if it was removed while the page was read. */
  readonly isGone?: boolean;
  /** Start of a page that goes on after it. */
  readonly cursor: string;
}

/** Parts of an entry that show how much of a message it holds. */
export type Content = Pick<StoredEntry, "data" | "tail" | "size">;

/** Shortens a long message for a list. */
export function cut(data: Encoded): Content {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const size = bytes.length;
  if (size <= LONGEST_LISTED) return { data, size };
  return { data: bytes.subarray(0, CUT_LENGTH), tail: bytes.subarray(size - CUT_LENGTH), size };
}

/** Decodes the part of a message that an inspector read. */
export function toInspected(entry: StoredEntry): InspectedMessage {
  return entry.tail === undefined ? whole(entry) : fromEnds(entry, textOf(entry.tail));
}

/**
 * Reads since when a ready message waits: since it was sent, or since its last retry or its eta if that
 * is later. The eta of a cut message is left out: arguments have that name, too.
 */
export function waitsSince({ ref, data, tail }: StoredEntry): number | undefined {
  if (tail !== undefined) {
    const text = textOf(tail);
    const [sentAt, requeuedAt = 0] = [lastMatch(text, TIMESTAMP), lastMatch(text, REQUEUED)];
    return sentAt === undefined ? undefined : Math.max(Number(sentAt), Number(requeuedAt));
  }
  const message = decodeFromQueue(ref.queueName, data);
  if (message instanceof UndecodableMessage) return undefined;
  const option = (name: string) => numberOption(message, name) ?? 0;
  return Math.max(message.messageTimestamp, option("requeueTimestamp"), option("eta"));
}

function whole({ ref, data, size, eta, diedAt }: StoredEntry): InspectedMessage {
  const message = decodeFromQueue(ref.queueName, data);
  const facts = { ref, eta: undefined, diedAt, size, data, isCut: false };
  if (message instanceof UndecodableMessage) {
    return {
      ...NOTHING_KNOWN,
      ...facts,
      error: message.error.message,
      decodeError: message.error,
    };
  }
  return {
    ...facts,
    messageId: message.messageId,
    actorName: message.actorName,
    sentAt: message.messageTimestamp,
    eta: ref.state === "delayed" ? eta ?? numberOption(message, "eta") : undefined,
    retries: numberOption(message, "retries") ?? 0,
    error: reasonOf(message.option("traceback")),
    message,
    decodeError: undefined,
  };
}

/**
 * Reads the fields at both ends of a message in JSON that is cut: encoders write the name of the actor
 * first, the id and the options last. The last match counts: arguments may hold anything.
 */
function fromEnds({ ref, data, size, eta, diedAt }: StoredEntry, tail: string): InspectedMessage {
  const number = (text: string | undefined) => text === undefined ? undefined : Number(text);
  return {
    ref,
    messageId: textIn(lastMatch(tail, MESSAGE_ID)),
    actorName: textIn(ACTOR_NAME.exec(textOf(data))?.[1]),
    sentAt: number(lastMatch(tail, TIMESTAMP)),
    eta,
    diedAt,
    retries: number(lastMatch(tail, RETRIES)) ?? 0,
    error: reasonOf(textIn(lastMatch(tail, TRACEBACK))),
    size,
    message: undefined,
    decodeError: undefined,
    data,
    isCut: true,
  };
}

const NOTHING_KNOWN = {
  messageId: undefined,
  actorName: undefined,
  sentAt: undefined,
  retries: 0,
  message: undefined,
} as const;

const ACTOR_NAME = /"actor_name": ?("(?:[^"\\]|\\.)*")/;
const MESSAGE_ID = /"message_id": ?("(?:[^"\\]|\\.)*")/g;
const TIMESTAMP = /"message_timestamp": ?(\d+)/g;
const REQUEUED = /"requeue_timestamp": ?(\d+)/g;
const RETRIES = /"retries": ?(\d+)/g;
const TRACEBACK = /"traceback": ?("(?:[^"\\]|\\.)*")/g;

function lastMatch(text: string, pattern: RegExp): string | undefined {
  return [...text.matchAll(pattern)].at(-1)?.[1];
}

function textIn(json: string | undefined): string | undefined {
  if (json === undefined) return undefined;
  try {
    return String(JSON.parse(json));
  } catch {
    return undefined;
  }
}

function textOf(data: Encoded): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

function numberOption(message: Message, name: string): number | undefined {
  const value = message.option(name);
  return typeof value === "number" && !Number.isNaN(value) ? value : undefined;
}

/**
 * Reason of a failure, on one line: Python says it in the last line of a traceback, JavaScript in the
 * first.
 */
export function reasonOf(traceback: unknown): string | undefined {
  if (typeof traceback !== "string") return undefined;
  const lines = traceback.trimEnd().split("\n");
  const line = /^Traceback \(/.test(lines[0]!) ? lines.at(-1) : lines[0];
  return line!.trim();
}
