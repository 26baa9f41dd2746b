import { delayQueueName } from "../../core/queue_names.ts";
import type { QueueType } from "./options.ts";
import {
  deadLettersTo,
  hasQuorumTtl,
  int,
  ofKind,
  type QueueArguments,
} from "./queue_arguments.ts";

/** Time that messages stay on each rung: from seconds to some hours, each four times the last. */
const STAYS: readonly number[] = /* @__PURE__ */ [1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((
  s,
) => s * 1_000);
const LONGEST_STAY = /* @__PURE__ */ STAYS.at(-1)!;
/** Milliseconds for which a declaration is taken for new. */
export const RENEWAL = 60_000;
/**
 * Milliseconds after which RabbitMQ deletes an expiring rung that nobody declared again, with all
 * that is on it. Publishing does not count as use. So it outlasts the longest stay of a message
 * that was published just before a renewal, and by hours. All rungs have the same, so that
 * a ladder is there as a whole or not at all.
 */
const EXPIRY = 2 * LONGEST_STAY + 10 * RENEWAL;
/** Time before its eta at which a message is back: time enough to be held for it. */
const MARGIN = 500;
/** A rung's name, `default.DQ.q64` or `default.DQ.64s`, or that of a note. */
const RUNG = /\.DQ\.(?:q\d+|quorum|\d+s|ladder)$/;
const QUORUM = /\.q(?:\d+|uorum)$/;
const NOTE = /\.DQ\.(?:quorum|ladder)$/;

/** Milliseconds below which there is no rung for a message. */
export const SHORTEST_WAY: number = STAYS[0]! + MARGIN;

/**
 * Kinds of rungs. They have different names, so that both can be there: after an upgrade of RabbitMQ
 * or of this library, and beside a program that runs an older version of it.
 *
 * - `quorum`: quorum queues that let go of a message only when `queue.DQ` has confirmed it. They stay,
 *   like `queue.DQ`: RabbitMQ 3.10.8 deletes a quorum queue with `x-expires`, and all that is on it,
 *   that long after its first declaration, though it was declared again and published to since.
 * - `expiring`: what RabbitMQ before 3.10 can do. Queues of the same type as `queue.DQ`, deleted some
 *   hours after their last declaration; what leaves a classic one while RabbitMQ stops may be lost.
 */
export type RungKind = "quorum" | "expiring";

/** The kinds, in the order in which they are counted. */
export const RUNG_KINDS: readonly RungKind[] = ["quorum", "expiring"];

/** The kind that a version of RabbitMQ is given; `[0, 0]` is not known yet. */
export function rungKindOn(version: readonly [number, number]): RungKind {
  return version[0] === 0 || hasQuorumTtl(version) ? "quorum" : "expiring";
}

/**
 * Chooses the rung for a message.
 *
 * @param queueName The queue, or its delay queue.
 * @param left Milliseconds until it is due, {@linkcode SHORTEST_WAY} or more.
 * @param kind Kind of the rungs.
 * @returns The queue to put it on.
 */
export function rungFor(queueName: string, left: number, kind: RungKind): string {
  const stay = STAYS.findLast((one) => one + MARGIN <= left) ?? STAYS[0]!;
  return rungName(queueName, stay, kind);
}

/** The queue that tells whether there is a ladder of a kind. */
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

/** Arguments of a note. Its message is gone before expiring rungs are, and after all others are empty. */
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
    // Beside a classic queue, on one node as that is: with two members, both nodes would be needed.
    ...(queueType === "classic" && { "x-quorum-initial-group-size": int(1) }),
  };
}

function rungName(queueName: string, stay: number, kind: RungKind): string {
  const seconds = stay / 1_000;
  return `${delayQueueName(queueName)}.${kind === "quorum" ? `q${seconds}` : `${seconds}s`}`;
}
