import type { ControlEntry, ControlValue } from "../core/control_store.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { OverlapPolicy } from "../core/schedules.ts";

/** Key prefix of the states of schedules. */
export const TICK_PREFIX = "tick/";
/** Key prefix of the marks of unfinished messages of schedules. */
export const RUN_PREFIX = "run/";
/** Key prefix of finished messages, on brokers that may store a message twice. */
export const DONE_PREFIX = "run/done/";
/** Key prefix of paused schedules. */
export const SCHEDULE_PAUSE_PREFIX = "pause/schedule/";

/** Milliseconds after which the state of an unused schedule expires. */
export const TICK_TTL = 2 * 366 * 86_400_000;
/**
 * Milliseconds after which a mark that is not renewed expires, and its message counts as finished:
 * a message that was flushed, or that a worker in Python has run.
 */
export const RUN_TTL = 3_600_000;

/** State of a schedule in the control store. */
export interface TickState {
  /** The last tick that was sent or skipped, in milliseconds since the epoch. */
  readonly tick: number;
  /** Pattern and zone, or interval, that `tick` belongs to. */
  readonly timing: string;
  /** The last message that was sent. */
  readonly messageId?: string;
  /** The tick of that message. */
  readonly sentTick?: number;
  /** When it was sent. */
  readonly sentAt?: number;
  /** When its publishing was claimed, on brokers that publish in a separate step. */
  readonly sending?: number;
  /** A tick that waits for that message to finish. */
  readonly waiting?: number;
  /** Number of messages that were sent. */
  readonly sent: number;
  /** Number of ticks that were skipped. */
  readonly skipped: number;
  /** Missed ticks that are being made up: number of those sent so far, and the last missed tick. */
  readonly madeUp?: { readonly count: number; readonly until: number };
}

/** A state and the version of its entry, which is 0 if there is none. */
export interface VersionedState {
  readonly state: TickState | undefined;
  readonly version: number;
}

/** @returns The state in an entry; `undefined` if the entry is not a state. */
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

/** Option `periodic` of a message: the schedule that has sent it. */
export interface PeriodicMessage {
  /** Name of the schedule. */
  readonly name: string;
  /** When the message was due, in milliseconds since the epoch. */
  readonly tick: number;
  /** Overlap policy of the schedule, unless it is `allow`. */
  readonly overlap?: Exclude<OverlapPolicy, "allow">;
}

/** @returns The option `periodic` of a message; `undefined` if no schedule has sent it. */
export function periodicOf(message: Pick<MessageProxy, "option">): PeriodicMessage | undefined {
  const value = message.option("periodic");
  if (typeof value !== "object" || value === null) return undefined;
  const { name, tick, overlap } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof tick !== "number") return undefined;
  const policy = overlap === "skip" || overlap === "queue" ? overlap : undefined;
  return { name, tick, ...(policy !== undefined && { overlap: policy }) };
}
