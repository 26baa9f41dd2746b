import { canonicalQueueName, delayQueueName } from "../../core/queue_names.ts";
import type { Channel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import type { QueueType } from "./options.ts";
import { deadLettersTo, int, ofKind } from "./queue_arguments.ts";

/** Time that messages stay on each rung: from seconds to some hours, each four times the last. */
const STAYS: readonly number[] = /* @__PURE__ */ [1, 4, 16, 64, 256, 1_024, 4_096, 16_384].map((
  s,
) => s * 1_000);
const LONGEST_STAY = /* @__PURE__ */ STAYS.at(-1)!;
/** Milliseconds for which a declaration is taken for new. */
const RENEWAL = 60_000;
/**
 * Milliseconds after which RabbitMQ deletes a rung that nobody declared again, with all that
 * is on it. Publishing does not count as use. So it outlasts the longest stay of a message
 * that was published just before a renewal, and by hours. All rungs have the same, so that
 * a ladder is there as a whole or not at all.
 */
const EXPIRY = 2 * LONGEST_STAY + 10 * RENEWAL;
/** Time before its eta at which a message is back: time enough to be held for it. */
const MARGIN = 500;
/** A rung's name: `default.DQ.64s`; or that of the note. */
const RUNG = /\.DQ\.(?:\d+s|ladder)$/;

/** Milliseconds below which there is no rung for a message. */
export const SHORTEST_WAY: number = STAYS[0]! + MARGIN;

/**
 * The queues on which far-off messages wait. Each keeps them for a fixed time and hands them
 * back to the delay queue:
 *
 * `queue.DQ` ─(worker)▶ `queue.DQ.1024s` ─(time to live)▶ `queue.DQ` ─▶ `queue.DQ.64s` ─▶ …
 *
 * A worker puts a message on the longest rung that brings it back before its eta, time and
 * again, until it can hold it for the rest. On each rung messages leave in the order in
 * which they came, so none waits behind a later one.
 *
 * Counting needs to know whether there is a ladder, and looking for a queue that is not there
 * is an error in RabbitMQ's log. So `queue.DQ.ladder` is there for who counts, too: it has a
 * message on it as long as there may be rungs.
 */
export class Ladder {
  readonly #connection: RabbitmqConnection;
  readonly #queueType: QueueType;
  /** When each queue's ladder was last declared, by `performance.now()`. */
  readonly #renewedAt: Map<string, number> = new Map();
  readonly #renewals: Map<string, Promise<void>> = new Map();

  constructor(connection: RabbitmqConnection, queueType: QueueType) {
    this.#connection = connection;
    this.#queueType = queueType;
    connection.onLost(() => this.#renewedAt.clear());
  }

  /** True if the ladder of a queue is there, and will outlast what is put on it now. */
  isFresh(queueName: string): boolean {
    const renewedAt = this.#renewedAt.get(canonicalQueueName(queueName));
    return renewedAt !== undefined && performance.now() - renewedAt < RENEWAL;
  }

  /** Notes that rungs of a queue are gone. */
  forget(queueName: string): void {
    this.#renewedAt.delete(canonicalQueueName(queueName));
  }

  /**
   * Declares the ladder of a queue, so that it does not expire.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached, or refuses.
   */
  async renew(queueName: string): Promise<void> {
    const canonical = canonicalQueueName(queueName);
    let renewal = this.#renewals.get(canonical);
    if (renewal === undefined) {
      renewal = this.#renew(canonical).finally(() => this.#renewals.delete(canonical));
      this.#renewals.set(canonical, renewal);
    }
    await renewal;
  }

  /**
   * Counts what is on the ladder of a queue.
   *
   * @param channel Where to ask.
   * @param queueName The queue.
   */
  async count(channel: Channel, queueName: string): Promise<number> {
    let sum = 0;
    for (const rung of await this.#existing(channel, queueName)) {
      sum += (await channel.checkQueue(rung)).messageCount;
    }
    return sum;
  }

  /** Drops what is on the ladder of a queue. */
  async purge(channel: Channel, queueName: string): Promise<void> {
    for (const rung of await this.#existing(channel, queueName)) await channel.purgeQueue(rung);
  }

  async #existing(channel: Channel, queueName: string): Promise<string[]> {
    const { messageCount } = await this.#declareNote(channel, queueName);
    return messageCount === 0 ? [] : STAYS.map((stay) => rungName(queueName, stay));
  }

  async #renew(canonical: string): Promise<void> {
    const begunAt = performance.now();
    await this.#connection.control(`declare the ladder of "${canonical}"`, async (channel) => {
      for (const stay of STAYS) {
        await channel.assertQueue(rungName(canonical, stay), {
          durable: true,
          arguments: {
            "x-message-ttl": int(stay),
            "x-expires": int(EXPIRY),
            ...deadLettersTo(delayQueueName(canonical), this.#queueType),
          },
        });
      }
      await this.#declareNote(channel, canonical);
    });
    this.#renewedAt.set(canonical, begunAt);
  }

  #declareNote(channel: Channel, queueName: string): Promise<{ messageCount: number }> {
    return channel.assertQueue(noteName(queueName), {
      durable: true,
      arguments: {
        "x-message-ttl": int(EXPIRY - RENEWAL), // gone before the rungs are
        "x-max-length": int(1),
        "x-expires": int(EXPIRY),
        ...ofKind(this.#queueType),
      },
    });
  }
}

/**
 * Chooses the rung for a message.
 *
 * @param queueName The queue, or its delay queue.
 * @param left Milliseconds until it is due, {@linkcode SHORTEST_WAY} or more.
 * @returns The queue to put it on.
 */
export function rungFor(queueName: string, left: number): string {
  const stay = STAYS.findLast((one) => one + MARGIN <= left) ?? STAYS[0]!;
  return rungName(queueName, stay);
}

/** The queue that tells whether there is a ladder. */
export function noteName(queueName: string): string {
  return `${delayQueueName(queueName)}.ladder`;
}

/** True if a queue is a rung, or the note. */
export function isRung(queueName: string): boolean {
  return RUNG.test(queueName);
}

/** The delay queue that a rung belongs to. */
export function delayQueueOf(rung: string): string {
  return rung.slice(0, rung.lastIndexOf("."));
}

/** The rungs of the ladder of a queue. */
export function rungNames(queueName: string): string[] {
  return STAYS.map((stay) => rungName(queueName, stay));
}

function rungName(queueName: string, stay: number): string {
  return `${delayQueueName(queueName)}.${stay / 1_000}s`;
}
