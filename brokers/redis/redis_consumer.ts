import { Consumer, type OneOrMany, type ReceiveOptions, toList } from "../../core/consumer.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { delayQueueName } from "../../core/queue_names.ts";
import { storeDeadLetter } from "../../core/store_dead_letter.ts";
import { Batcher } from "../../clients/redis/batcher.ts";
import { toArgument } from "../../clients/redis/reply.ts";
import { DelaySource } from "./delay_source.ts";
import { DueDelivery, type RedisDelivery } from "./delivery.ts";
import { Acknowledgements, InFlight } from "./in_flight.ts";
import { dropDue, giveBack } from "./give_back.ts";
import { Prefetcher } from "./prefetcher.ts";
import { QueueSource } from "./queue_source.ts";
import { ACK, NACK } from "./scripts.ts";
import { type RedisSession, type RunScript, runUntil } from "./session.ts";
import { isSuspect, Suspects } from "./suspects.ts";

/**
 * Consumes a queue or delay queue: receives messages from its prefetcher, and settles them.
 *
 * It survives outages: fetching and settling go on after a reconnect. It fails when its lease is lost,
 * or Redis refuses a command.
 */
export class RedisConsumer extends Consumer {
  readonly #session: RedisSession;
  readonly #inFlight: InFlight;
  readonly #acks: Acknowledgements;
  readonly #nacks: Batcher;
  readonly #suspects: Suspects;
  readonly #isDelayed: boolean;
  readonly #prefetcher: Prefetcher;

  /**
   * Creates the prefetcher; the first `receive` connects.
   *
   * @param queueName The queue or delay queue.
   * @param prefetch Maximum of unsettled messages.
   * @param session The broker.
   */
  constructor(queueName: string, prefetch: number, session: RedisSession) {
    super(queueName);
    const keys = session.keys.of(queueName);
    const { messages, unacknowledged, etas, deadLetters, deadMessages } = keys;
    const run: RunScript = (...call) => runUntil(() => this.#prefetcher.isClosed, session, ...call);
    const acks = new Acknowledgements((ids) => run(ACK, [messages, unacknowledged], ids));
    const suspects = new Suspects(session, keys, run);
    const inFlight = new InFlight(prefetch);
    const nackKeys = [messages, unacknowledged, etas, deadLetters, deadMessages];
    this.#session = session;
    this.#acks = acks;
    this.#nacks = new Batcher((args) => run(NACK, nackKeys, args));
    this.#suspects = suspects;
    this.#inFlight = inFlight;
    this.#isDelayed = queueName === delayQueueName(queueName);
    const Source = this.#isDelayed ? DelaySource : QueueSource;
    this.#prefetcher = new Prefetcher(
      { session, queueName, inFlight, acks, giveBack: (deliveries) => this.#giveBack(deliveries) },
      (demand) => new Source({ session, queueName, acks, suspects, run }, demand),
    );
  }

  override get isLost(): boolean {
    return this.#prefetcher.isLost;
  }

  receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    return this.#prefetcher.receive(limit, options);
  }

  override async begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    return await this.#suspects.begin(toList(messages));
  }

  async ack(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    if (taken.length === 0) return;
    const acknowledged = this.#acknowledge(taken);
    this.#prefetcher.fetchAhead();
    await this.#inFlight.settle(taken, acknowledged);
  }

  async nack(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    const sent = taken.map((message) =>
      storeDeadLetter(message, message.delivered, (deadLetter) => {
        // An empty text keeps the stored one.
        const text = deadLetter === message.delivered ? "" : toArgument(deadLetter.encode());
        if (isSuspect(message)) return this.#suspects.nack(message, text);
        return this.#nacks.gather([message.id, text]);
      })
    );
    await this.#inFlight.settle(taken, Promise.all(sent).then(() => {}));
  }

  async requeue(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    await this.#inFlight.settle(taken, this.#giveBack(taken));
  }

  override pause(): Promise<void> {
    return this.#prefetcher.pause();
  }

  close(): Promise<void> {
    return this.#prefetcher.close();
  }

  #take(messages: OneOrMany): RedisDelivery[] {
    const taken = this.#inFlight.take(toList(messages));
    this.#prefetcher.roomMade();
    return taken;
  }

  #acknowledge(taken: readonly RedisDelivery[]): Promise<void> {
    if (!this.#isDelayed && !this.#suspects.isUsed) return this.#acks.add(taken);
    const { fetched, suspect, due } = Object.groupBy(taken, kindOf);
    const acks: Promise<void>[] = [];
    if (fetched !== undefined) acks.push(this.#acks.add(fetched));
    if (suspect !== undefined) acks.push(this.#suspects.ack(suspect));
    if (due !== undefined) acks.push(dropDue(this.#session, this.queueName, due));
    return Promise.all(acks).then(() => {});
  }

  #giveBack(deliveries: readonly RedisDelivery[]): Promise<void> {
    return giveBack(this.#session, this.queueName, deliveries, this.#suspects.isUsed);
  }
}

/** The way in which a delivery is acknowledged. */
function kindOf(delivery: RedisDelivery): "fetched" | "suspect" | "due" {
  if (delivery instanceof DueDelivery) return "due";
  return isSuspect(delivery) ? "suspect" : "fetched";
}
