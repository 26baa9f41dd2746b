import { delayQueueName } from "../../core/queue_names.ts";
import type { QueueType } from "./options.ts";
import {
  deadLettersTo,
  hasQuorumTtl,
  int,
  ofKind,
  type QueueArguments,
} from "./queue_arguments.ts";

/** Milliseconds for which each rung holds a message, each four times the one before. */
const STAYS: readonly number[] = /* @__PURE__ */ [1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((
  s,
) => s * 1_000);
const LONGEST_STAY = /* @__PURE__ */ STAYS.at(-1)!;
/** Milliseconds after a declaration in which a rung is not declared again. */
export const RENEWAL = 60_000;
/**
 * Milliseconds after its last declaration at which RabbitMQ deletes an expiring rung, with its
 * messages. Publishing does not count as use, so this is hours longer than a message may be on any
 * rung. It is the same for all rungs, so that a ladder exists as a whole or not at all.
 */
const EXPIRY = 2 * LONGEST_STAY + 10 * RENEWAL;
/** Milliseconds before its eta by which a message returns, so that a worker can hold it. */
const MARGIN = 500;
/** A rung's name, `default.DQ.q64` or `default.DQ.64s`, or that of a note. */
const RUNG = /\.DQ\.(?:q\d+|quorum|\d+s|ladder)$/;
const QUORUM = /\.q(?:\d+|uorum)$/;
const NOTE = /\.DQ\.(?:quorum|ladder)$/;

/** The shortest delay for which there is a rung, in milliseconds. */
export const SHORTEST_WAY: number = STAYS[0]! + MARGIN;

/**
 * Kinds of rungs. Their names differ, so that both can exist: after an upgrade of RabbitMQ or of this
 * library, and beside programs with an older version of it.
 *
 * - `quorum`: quorum queues, which keep a message until `queue.DQ` has confirmed it. They never expire:
 *   RabbitMQ 3.10.8 deletes a quorum queue with `x-expires`, and its messages, that long after its
 *   first declaration, even if it was declared again and published to since.
 * - `expiring`: for RabbitMQ before 3.10. Queues of the same type as `queue.DQ`, deleted hours after
 *   their last declaration. A message that leaves a classic one while RabbitMQ stops may be lost.
 */
export type RungKind = "quorum" | "expiring";

/** The kinds, in the order in which they are counted. */
export const RUNG_KINDS: readonly RungKind[] = ["quorum", "expiring"];

/** The kind of rungs for a version of RabbitMQ; `[0, 0]` is an unknown one. */
export function rungKindOn(version: readonly [number, number]): RungKind {
  return version[0] === 0 || hasQuorumTtl(version) ? "quorum" : "expiring";
}

/**
 * Chooses the rung for a message.
 *
 * @param queueName The queue, or its delay queue.
 * @param left Milliseconds until it is due, {@linkcode SHORTEST_WAY} or more.
 * @param kind Kind of the rungs.
 * @returns The name of the rung.
 */
export function rungFor(queueName: string, left: number, kind: RungKind): string {
  const stay = STAYS.findLast((one) => one + MARGIN <= left) ?? STAYS[0]!;
  return rungName(queueName, stay, kind);
}

/** The name of the note of a ladder. */
export function noteName(queueName: string, kind: RungKind): string {
  return `${delayQueueName(queueName)}.${kind === "quorum" ? "quorum" : "ladder"}`;
}

/** True if a queue is a rung, or a note. */
export function isRung(queueName: string): boolean {
  return RUNG.test(queueName);
}

/** True if a queue is a note. */
export function isNote(queueName: string): boolean {
  return NOTE.test(queueName);
}

/** The kind of a rung, or of a note. */
export function rungKindOf(rung: string): RungKind {
  return QUORUM.test(rung) ? "quorum" : "expiring";
}

/** The delay queue that a rung belongs to. */
export function delayQueueOf(rung: string): string {
  return rung.slice(0, rung.lastIndexOf("."));
}

/** The rungs of the ladder of a queue. */
export function rungNames(queueName: string, kind: RungKind): string[] {
  return STAYS.map((stay) => rungName(queueName, stay, kind));
}

/** Declarations of the rungs of a queue: names and arguments. */
export function rungsOf(
  queueName: string,
  kind: RungKind,
  queueType: QueueType,
): (readonly [string, QueueArguments])[] {
  const delayQueue = delayQueueName(queueName);
  return STAYS.map((stay) => [rungName(queueName, stay, kind), {
    "x-message-ttl": int(stay),
    ...(kind === "quorum" ? quorumArguments(delayQueue, queueType) : {
      "x-expires": int(EXPIRY),
      ...deadLettersTo(delayQueue, queueType),
    }),
  }]);
}

/** Arguments of a note. Its message outlives those on the rungs, and expires before the rungs do. */
export function noteArguments(kind: RungKind, queueType: QueueType): QueueArguments {
  return {
    "x-message-ttl": int(EXPIRY - RENEWAL),
    "x-max-length": int(1),
    ...(kind === "expiring" && { "x-expires": int(EXPIRY) }),
    ...ofKind(queueType),
  };
}

function quorumArguments(delayQueue: string, queueType: QueueType): QueueArguments {
  return {
    ...deadLettersTo(delayQueue, "quorum"),
    // A classic queue is on one node, and so are its rungs: two members would need both nodes.
    ...(queueType === "classic" && { "x-quorum-initial-group-size": int(1) }),
  };
}

function rungName(queueName: string, stay: number, kind: RungKind): string {
  const seconds = stay / 1_000;
  return `${delayQueueName(queueName)}.${kind === "quorum" ? `q${seconds}` : `${seconds}s`}`;
}
