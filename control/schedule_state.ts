import type { ControlEntry, ControlValue } from "../core/control_store.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { OverlapPolicy } from "../core/schedules.ts";

/** Key prefix of what is known of each schedule: the last tick that was dealt with. */
export const TICK_PREFIX = "tick/";
/** Key prefix of messages of schedules that have not finished. */
export const RUN_PREFIX = "run/";
/** Key prefix of messages that have finished, where one may be stored twice. */
export const DONE_PREFIX = "run/done/";
/** Key prefix of paused schedules. */
export const SCHEDULE_PAUSE_PREFIX = "pause/schedule/";

/** Milliseconds after which an unused schedule is forgotten. */
export const TICK_TTL = 2 * 366 * 86_400_000;
/**
 * Milliseconds after which a message counts as finished of which nothing was heard: one that was
 * flushed, or that a worker in Python has run.
 */
export const RUN_TTL = 3_600_000;

/** State of a schedule in the control store. */
export interface TickState {
  /** The last tick that was dealt with, in milliseconds since the epoch. */
  readonly tick: number;
  /** Pattern and zone, or interval, of that tick. */
  readonly timing: string;
  /** The last message that was sent. */
  readonly messageId?: string;
  /** The tick of that message. */
  readonly sentTick?: number;
  /** When it was sent. */
  readonly sentAt?: number;
  /** Since when it is being published, where that is a step of its own. */
  readonly sending?: number;
  /** A tick that waits for that message to finish. */
  readonly waiting?: number;
  /** Number of messages that were sent. */
  readonly sent: number;
  /** Number of ticks that were skipped. */
  readonly skipped: number;
  /** Missed ticks that are being made up: how many were, and the last of those that were missed. */
  readonly madeUp?: { readonly count: number; readonly until: number };
}

/** A state, and the version of its entry; 0 when there is none. */
export interface VersionedState {
  readonly state: TickState | undefined;
  readonly version: number;
}

/** @returns The state in an entry; none if the entry is none. */
export function toTickState({ value, version }: ControlEntry): VersionedState {
  if (typeof value !== "object" || value === null) return { state: undefined, version };
  const { tick, timing, sent, skipped, ...others } = value as Readonly<Record<string, unknown>>;
  if (typeof tick !== "number" || typeof timing !== "string") return { state: undefined, version };
  const number = (one: unknown) => typeof one === "number" ? one : 0;
  const state = { ...others, tick, timing, sent: number(sent), skipped: number(skipped) };
  return { state, version };
}

/** @returns A state as it is stored. */
export function fromTickState(state: TickState): ControlValue {
  return { ...state };
}

/** Option `periodic` of a message: what has sent it. */
export interface PeriodicMessage {
  /** The schedule. */
  readonly name: string;
  /** The time that it was due, in milliseconds since the epoch. */
  readonly tick: number;
  /** Overlap policy of the schedule, unless it is `allow`. */
  readonly overlap?: Exclude<OverlapPolicy, "allow">;
}

/** @returns What has sent a message, if that was a schedule. */
export function periodicOf(message: Pick<MessageProxy, "option">): PeriodicMessage | undefined {
  const value = message.option("periodic");
  if (typeof value !== "object" || value === null) return undefined;
  const { name, tick, overlap } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof tick !== "number") return undefined;
  const policy = overlap === "skip" || overlap === "queue" ? overlap : undefined;
  return { name, tick, ...(policy !== undefined && { overlap: policy }) };
}
