import type { ControlEntry } from "./control_store.ts";

/** A cancellation that is remembered. */
export interface Cancellation {
  /** The message, if it is for one. */
  readonly messageId?: string;
  /** The actor that it is for, by name. */
  readonly actor?: string;
  /** The queue that it is for. */
  readonly queue?: string;
  /** It is for messages that were made before this time. */
  readonly before?: number;
  /** Why. */
  readonly reason: string;
  /** Milliseconds that a running actor gets to stop. */
  readonly grace: number;
  /** True if messages go to the dead letters. */
  readonly keep: boolean;
  /** True if a running actor may go on: only cancellations from dramatiq-abort set it. */
  readonly waitingOnly: boolean;
  /** The version of its entry in the control store. */
  readonly version: number;
}

/** Key prefix of cancellations. */
export const CANCEL_PREFIX = "cancel/";
/** Key prefix of cancellations of a single message. */
export const ID_PREFIX: string = `${CANCEL_PREFIX}id/`;
/** Key prefix of cancellations of all messages that match. */
export const PREDICATE_PREFIX: string = `${CANCEL_PREFIX}where/`;
/** Milliseconds that a running actor gets to stop. */
export const DEFAULT_GRACE = 1_000;
/**
 * The option of a message that was requeued after it was cancelled: up to which version of the
 * control store its cancellations no longer count.
 */
export const UNDONE = "cancellationUndone";

/** Cancellation as it is stored. */
export interface StoredCancellation {
  readonly [name: string]: string | number | boolean;
  readonly reason: string;
  readonly grace: number;
}

/**
 * Reads a cancellation as it is stored.
 *
 * @param entry An entry of the control store.
 * @returns The cancellation; `undefined` if the entry is none.
 */
export function toCancellation({ key, value, version }: ControlEntry): Cancellation | undefined {
  if (!key.startsWith(CANCEL_PREFIX)) return undefined;
  if (typeof value !== "object" || value === null) return undefined;
  const stored = value as Readonly<Record<string, unknown>>;
  const { reason, grace, keep, waitingOnly, before, actor, queue } = stored;
  const common = {
    reason: typeof reason === "string" ? reason : "cancelled",
    grace: typeof grace === "number" && grace >= 0 ? grace : DEFAULT_GRACE,
    keep: keep === true,
    waitingOnly: waitingOnly === true,
    version,
  };
  if (key.startsWith(ID_PREFIX)) return { ...common, messageId: key.slice(ID_PREFIX.length) };
  const names = {
    ...(typeof actor === "string" && { actor }),
    ...(typeof queue === "string" && { queue }),
  };
  // One that names nothing would cancel everything.
  if (!key.startsWith(PREDICATE_PREFIX) || Object.keys(names).length === 0) return undefined;
  return typeof before === "number" ? { ...common, ...names, before } : undefined;
}
