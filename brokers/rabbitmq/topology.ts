import { canonicalQueueName, deadLetterQueueName, delayQueueName } from "../../core/queue_names.ts";
import type { Channel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import type { DeliveryLimits } from "./delivery_limits.ts";
import type { QueueSettings } from "./options.ts";
import type { Ladder } from "./ladder.ts";
import { declarationsOf, hasQuorumTtl } from "./queue_arguments.ts";
import { isRung } from "./rungs.ts";
import { unreachableQueueOf } from "./errors.ts";

/**
 * Declares queues as Python does: `queue`, `queue.DQ` for delayed messages and `queue.XQ`
 * for dead letters, each time a connection is first used for them.
 *
 * A queue that exists with other arguments is an error, because the programs that share it do not
 * agree on what it is; only its delivery limit may be another one, see {@linkcode DeliveryLimits}.
 *
 * Source: `tests/vectors/rabbitmq_broker.json`.
 */
export class Topology {
  readonly #connection: RabbitmqConnection;
  readonly #settings: QueueSettings;
  readonly #ladder: Ladder;
  readonly #deliveryLimits: DeliveryLimits;
  /** All queues of those that are declared. */
  readonly #declared: Set<string> = new Set();

  /**
   * Stores how queues are made.
   *
   * @param connection Where they are declared.
   * @param settings What kind of queues.
   * @param ladder Declares the queues of far-off messages.
   * @param deliveryLimits Those that queues were found with.
   */
  constructor(
    connection: RabbitmqConnection,
    settings: QueueSettings,
    ladder: Ladder,
    deliveryLimits: DeliveryLimits,
  ) {
    this.#connection = connection;
    this.#settings = settings;
    this.#ladder = ladder;
    this.#deliveryLimits = deliveryLimits;
    connection.onLost(() => this.#declared.clear()); // the next server may be another one
  }

  /** True if a queue has been declared, as far as is known. */
  isDeclared(queueName: string): boolean {
    return this.#declared.has(queueName) ||
      isRung(queueName) && this.#ladder.isFresh(queueName);
  }

  /** Notes that a queue is gone. */
  forget(queueName: string): void {
    if (isRung(queueName)) return this.#ladder.forget(queueName);
    for (const name of namesOf(canonicalQueueName(queueName))) this.#declared.delete(name);
  }

  /**
   * Declares a queue and those that belong to it; those on a node that is away are left out, except
   * for the one that is asked for.
   *
   * @param queueName Any one of them.
   * @throws {TypeError} If the server cannot do what the settings ask for.
   * @throws {BrokerConnectionError} If the server cannot be reached, or has the queue with
   *   other arguments.
   */
  async declare(queueName: string): Promise<void> {
    if (this.isDeclared(queueName)) return;
    if (isRung(queueName)) return await this.#ladder.renew(queueName);
    const canonical = canonicalQueueName(queueName);
    const declare = (isMeant: (name: string) => boolean) =>
      this.control(`declare queue "${canonical}"`, async (channel) => {
        if (this.isDeclared(queueName)) return; // by somebody whose turn was before
        await this.declareOn(channel, canonical, isMeant);
        for (const name of namesOf(canonical).filter(isMeant)) this.#declared.add(name);
      });
    try {
      await declare(() => true);
    } catch (error) {
      const unreachable = unreachableQueueOf(error);
      if (unreachable === undefined || unreachable === queueName) throw error;
      await declare((name) => name === queueName);
    }
  }

  /**
   * Does something about queues that declares some: see `RabbitmqConnection.control`. Does it
   * again when one of them turns out to have another delivery limit.
   *
   * @param purpose What for: the end of "Cannot …".
   * @param operate Does it.
   * @throws {TypeError} If the server cannot do what the settings ask for.
   * @throws {BrokerConnectionError} If the server cannot be reached, or refuses.
   */
  async control<T>(purpose: string, operate: (channel: Channel) => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await this.#connection.control(purpose, operate);
      } catch (error) {
        if (!this.#deliveryLimits.learnFrom(error)) throw error;
      }
    }
  }

  /**
   * Declares a queue, its delay queue and its dead letter queue, inside of `control`.
   *
   * @param channel Where.
   * @param canonical The queue.
   * @param isMeant Leaves some of them out.
   * @returns How many messages are ready on each of them.
   */
  async declareOn(
    channel: Channel,
    canonical: string,
    isMeant: (name: string) => boolean = () => true,
  ): Promise<[number, number, number]> {
    assertSupported(this.#settings, this.#connection.version);
    const counts: number[] = [];
    for (const [name, wanted] of declarationsOf(canonical, this.#settings)) {
      if (!isMeant(name)) continue;
      counts.push(await this.#deliveryLimits.declare(channel, name, wanted));
    }
    return counts as [number, number, number];
  }
}

/** The queues that are declared together. */
function namesOf(canonical: string): string[] {
  return [canonical, delayQueueName(canonical), deadLetterQueueName(canonical)];
}

function assertSupported(
  { queueType, maxPriority }: QueueSettings,
  version: readonly [number, number],
): void {
  if (queueType === "classic") return;
  const [major, minor] = version;
  if (major < 4 && maxPriority !== undefined) {
    throw new TypeError(
      `Cannot declare quorum queues with maxPriority ${maxPriority}: RabbitMQ ${major}.${minor} ` +
        "has no priorities for them, 4.0 is the first that does",
    );
  }
  if (!hasQuorumTtl(version)) {
    throw new TypeError(
      `Cannot declare quorum queues: RabbitMQ ${major}.${minor} cannot expire what they hold, 3.10 ` +
        "is the first that can",
    );
  }
}
