import { Buffer } from "node:buffer";
import type { ControlEntry, ControlValue } from "./control_store.ts";
import type { Encoded } from "../encoders/encoder.ts";

/** Beginning of the keys of claims; the actor and the key of the message follow. */
export const CLAIM_PREFIX = "claim/";

/** A claim, as the control store keeps it. */
export interface ClaimValue {
  /** The id of the message that holds the claim. */
  readonly messageId: string;
  /** The queue of that message. */
  readonly queueName: string;
  /** Names under which the queue may store the message, the latest last. */
  readonly stays: readonly string[];
  /** True while the message is being sent, if the broker cannot store both in one step. */
  readonly isSending?: boolean;
  /** Time until which replacements have delayed the message. */
  readonly eta?: number;
  /** Time beyond which replacements cannot delay it. */
  readonly lastEta?: number;
}

/**
 * Reads a claim.
 *
 * @param entry An entry of the control store.
 * @returns The claim; `undefined` if the entry is gone, or none.
 */
export function toClaim(entry: ControlEntry | undefined): ClaimValue | undefined {
  const value = entry?.value as Partial<ClaimValue> | null | undefined;
  const { messageId, queueName, stays, eta, lastEta } = value ?? {};
  if (typeof messageId !== "string" || typeof queueName !== "string") return undefined;
  return {
    messageId,
    queueName,
    stays: Array.isArray(stays) ? stays.map(String) : [],
    ...(value!.isSending === true ? { isSending: true } : {}),
    ...(typeof eta === "number" ? { eta } : {}),
    ...(typeof lastEta === "number" ? { lastEta } : {}),
  };
}

/** The part of a message that claims need. */
export interface ClaimedMessage {
  readonly actorName: string;
  readonly messageId: string;
  readonly queueName: string;
  /** Reads an option. */
  option(name: string): unknown;
  /** Encodes the message. */
  encode(): Encoded;
}

/** Returns the key of the claim of a message. */
export function claimKeyOf(message: Pick<ClaimedMessage, "actorName" | "option">): string {
  return `${CLAIM_PREFIX}${message.actorName}/${message.option("uniqueKey")}`;
}

/** Returns the key of the latest text of a replaced message. No claim has such a key. */
export function textKeyOf(messageId: string): string {
  return `${CLAIM_PREFIX}/${messageId}`;
}

/** Encodes the message that replaces another one, as an entry. */
export function toTextEntry(message: ClaimedMessage): ControlValue {
  const data = message.encode();
  return typeof data === "string"
    ? { text: data }
    : { base64: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") };
}

/**
 * Reads the latest text of a message.
 *
 * @param entry An entry of the control store.
 * @returns The text; `undefined` if the entry is gone, or none.
 */
export function toText(entry: ControlEntry | undefined): Encoded | undefined {
  const value = entry?.value as { text?: unknown; base64?: unknown } | null | undefined;
  const { text, base64 } = value ?? {};
  if (typeof base64 === "string") return Buffer.from(base64, "base64");
  return typeof text === "string" ? text : undefined;
}

/** Options with the history of a message: a replacement keeps them. */
const KEPT_OPTIONS: readonly string[] = [
  "eta",
  "redisMessageId",
  "retries",
  "snoozes",
  "deaths",
  "traceback",
  "requeueTimestamp",
];

/** A message that can replace another one. */
interface Replacement {
  readonly messageId: string;
  readonly queueName: string;
  option(name: string): unknown;
  copy(
    changes: { messageId: string; queueName: string; options: Record<string, unknown> },
  ): Replacement;
}

/**
 * Replaces a message with one that was sent later with the same key.
 *
 * @param message The message, as it was delivered.
 * @param by The later one.
 * @returns The later message with the id and the history of the replaced one.
 */
export function replaced<M extends Replacement>(message: M, by: M): M {
  const { messageId, queueName } = message;
  const options = Object.fromEntries(KEPT_OPTIONS.map((name) => [name, message.option(name)]));
  return by.copy({ messageId, queueName, options }) as M;
}
