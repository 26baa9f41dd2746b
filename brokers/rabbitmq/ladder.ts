import { canonicalQueueName } from "../../core/queue_names.ts";
import { getLogger } from "../../platform/logging.ts";
import type { Channel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import { lacksQuorumQueues } from "./errors.ts";
import type { QueueType } from "./options.ts";
import {
  delayQueueOf,
  noteArguments,
  noteName,
  RENEWAL,
  RUNG_KINDS,
  type RungKind,
  rungKindOf,
  rungKindOn,
  rungsOf,
} from "./rungs.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Connections of a {@linkcode Ladder}. */
export interface LadderConnections {
  /** Declares the rungs. */
  readonly publishing: RabbitmqConnection;
  /** Knows the version of RabbitMQ while the other one is not connected yet. */
  readonly consuming: RabbitmqConnection;
}

/**
 * The queues that hold messages with a distant eta. Each holds a message for a fixed time, after
 * which RabbitMQ dead-letters it to the delay queue:
 *
 * `queue.DQ` ─(worker)▶ `queue.DQ.q1024` ─(time to live)▶ `queue.DQ` ─▶ `queue.DQ.q64` ─▶ …
 *
 * A worker publishes a message to the longest rung that returns it before its eta, as often as
 * needed, until the eta is near enough to hold the message in memory. All messages of a rung have
 * the same time to live, so they leave it in the order in which they were published.
 *
 * To count a ladder, one must know whether it exists: a passive declaration of a queue that does
 * not exist is an error in RabbitMQ's log. The note, `queue.DQ.quorum`, tells that: it is a queue
 * with one message while there may be messages on the rungs.
 *
 * The server decides which of two kinds the rungs are: see {@linkcode RungKind}. Messages are
 * published to rungs of one kind, and counted and purged on both.
 */
export class Ladder {
  readonly #publishing: RabbitmqConnection;
  readonly #consuming: RabbitmqConnection;
  readonly #queueType: QueueType;
  /** Time of the last declaration of each rung and note, by `performance.now()`. */
  readonly #renewedAt: Map<string, number> = new Map();
  /** Renewals under way, by the note. */
  readonly #renewals: Map<string, Promise<void>> = new Map();
  /** True if the server refused quorum queues although its version has them. */
  #isWithoutQuorum = false;

  /**
   * @param connections Of the broker.
   * @param queueType Type of the queues that the rungs belong to.
   */
  constructor({ publishing, consuming }: LadderConnections, queueType: QueueType) {
    this.#publishing = publishing;
    this.#consuming = consuming;
    this.#queueType = queueType;
    publishing.onLost((error) => {
      this.#renewedAt.clear();
      if (lacksQuorumQueues(error)) this.#doWithoutQuorum();
    });
  }

  /** Kind of the rungs that messages are published to. */
  get kind(): RungKind {
    return this.#isWithoutQuorum ? "expiring" : this.#kindOfServer;
  }

  /** True if a rung and the rest of its ladder exist, and outlast a message published now. */
  isFresh(rung: string): boolean {
    const renewedAt = this.#renewedAt.get(rung);
    return renewedAt !== undefined && performance.now() - renewedAt < RENEWAL;
  }

  /** Records that a rung does not exist any more. */
  forget(rung: string): void {
    this.#renewedAt.delete(rung);
  }

  /**
   * Declares the ladder that a rung belongs to, so that it does not expire.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached, or refuses.
   */
  async renew(rung: string): Promise<void> {
    const canonical = canonicalQueueName(delayQueueOf(rung));
    const kind = rungKindOf(rung);
    const note = noteName(canonical, kind);
    let renewal = this.#renewals.get(note);
    if (renewal === undefined) {
      renewal = this.#renew(canonical, kind).finally(() => this.#renewals.delete(note));
      this.#renewals.set(note, renewal);
    }
    await renewal;
  }

  /**
   * Counts the messages on the ladder of a queue.
   *
   * @param channel Declares the rungs again: the replies have the numbers.
   * @param queueName The queue.
   */
  async count(channel: Channel, queueName: string): Promise<number> {
    let sum = 0;
    for (const [, messageCount] of await this.#declareExisting(channel, queueName)) {
      sum += messageCount;
    }
    return sum;
  }

  /** Drops the messages on the ladder of a queue. */
  async purge(channel: Channel, queueName: string): Promise<void> {
    for (const [rung] of await this.#declareExisting(channel, queueName)) {
      await channel.purgeQueue(rung);
    }
  }

  get #kindOfServer(): RungKind {
    const { version } = this.#publishing;
    return rungKindOn(version[0] > 0 ? version : this.#consuming.version);
  }

  /** Declares the rungs that may have messages; returns their names and numbers of messages. */
  async #declareExisting(channel: Channel, queueName: string): Promise<[string, number][]> {
    const existing: [string, number][] = [];
    for (const kind of this.#kindOfServer === "quorum" ? RUNG_KINDS : [this.kind]) {
      if (await this.#declareNote(channel, queueName, kind) === 0) continue;
      existing.push(...await this.#declareRungs(channel, queueName, kind));
    }
    return existing;
  }

  async #renew(canonical: string, kind: RungKind): Promise<void> {
    const begunAt = performance.now();
    const purpose = `declare the ladder of "${canonical}"`;
    const names = await this.#publishing.control(purpose, async (channel) => {
      if (kind === "quorum" && this.kind !== kind) { // the version is known once it is connected
        throw new Error("RabbitMQ has no quorum queues that expire what they hold");
      }
      const rungs = await this.#declareRungs(channel, canonical, kind);
      await this.#declareNote(channel, canonical, kind);
      return rungs.map(([rung]) => rung);
    });
    for (const name of [...names, noteName(canonical, kind)]) this.#renewedAt.set(name, begunAt);
  }

  async #declareRungs(
    channel: Channel,
    queueName: string,
    kind: RungKind,
  ): Promise<[string, number][]> {
    const declared: [string, number][] = [];
    for (const [rung, args] of rungsOf(queueName, kind, this.#queueType)) {
      const { messageCount } = await channel.assertQueue(rung, { durable: true, arguments: args });
      declared.push([rung, messageCount]);
    }
    return declared;
  }

  async #declareNote(channel: Channel, queueName: string, kind: RungKind): Promise<number> {
    const args = noteArguments(kind, this.#queueType);
    const options = { durable: true, arguments: args };
    return (await channel.assertQueue(noteName(queueName, kind), options)).messageCount;
  }

  #doWithoutQuorum(): void {
    if (this.#isWithoutQuorum) return;
    this.#isWithoutQuorum = true;
    log.warn(
      "Keeping far-off delayed messages on classic queues, of which RabbitMQ may lose some when it " +
        "stops: its feature flag quorum_queue is disabled; enable it and restart this process",
    );
  }
}
