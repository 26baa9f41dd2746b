import { delayOf, type EnqueueOptions } from "./actor_options.ts";
import type { Broker } from "./broker.ts";
import { undoCancellation } from "./cancellation.ts";
import type { UniqueSteps } from "./claim_entries.ts";
import { Claims } from "./claims.ts";
import type { ControlChange, ControlOutcome } from "./control_store.ts";
import { revived, type StoredDeadLetter } from "./dead_letters.ts";
import type { Emitter } from "./emitter.ts";
import { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { canonicalQueueName, delayQueueName } from "./queue_names.ts";
import { carriedDeaths } from "./suspicion.ts";
import { UndecodableMessage } from "./undecodable_message.ts";
import { unlessAborted } from "../platform/unless_aborted.ts";

/** Steps of sending that differ between brokers. */
export interface SendSteps {
  /** Gives a message the form in which it is stored. */
  prepare(message: Message, delay: number | undefined): Message;
  /** Stores messages on the queues that they name. */
  store(messages: readonly Message[]): void | Promise<void>;
  /** Stores a message if changes of the control store are applied, in one step. */
  storeWith(message: Message, changes: readonly ControlChange[]): Promise<ControlOutcome>;
  /** The steps of unique messages. */
  uniqueSteps(): UniqueSteps;
  /** Stores a message that takes the place of a delayed one. */
  storeDue(message: Message, delivery: MessageProxy): void | Promise<void>;
}

/** Sends the messages of a broker: prepares them, calls the hooks around it, and has them stored. */
export class Sender {
  readonly #broker: Broker;
  readonly #emitter: Emitter;
  readonly #steps: SendSteps;

  constructor(broker: Broker, emitter: Emitter, steps: SendSteps) {
    this.#broker = broker;
    this.#emitter = emitter;
    this.#steps = steps;
  }

  /** Makes an empty collection of claims. */
  makeClaims(): Claims {
    const steps = this.#steps;
    return new Claims(this.#broker, {
      ...steps.uniqueSteps(),
      store: async (message) => await steps.store([message]),
      storeWith: (message, changes) => steps.storeWith(message, changes),
    });
  }

  /** Stores a message, or delays it: see {@linkcode Broker.enqueue}. */
  enqueue<M extends Message>(message: M, options: EnqueueOptions): Promise<M> {
    return this.#emitter.wrapsEnqueue
      ? this.#wrapOne(message, options)
      : this.#enqueue(message, options);
  }

  /** A closure takes memory as soon as its function is entered: it is not made in `enqueue`. */
  #wrapOne<M extends Message>(message: M, options: EnqueueOptions): Promise<M> {
    const send = () => this.#enqueue(message, options);
    return this.#emitter.wrapEnqueue([message], options.cause, send);
  }

  #enqueue<M extends Message>(message: M, options: EnqueueOptions): Promise<M> {
    try {
      options.signal?.throwIfAborted();
      const { claims } = this.#broker;
      const wanted = delayOf(options);
      const delay = claims === undefined ? wanted : claims.delayOf(message, options, wanted);
      const queued = this.#prepareSent(message, options.cause, delay);
      const before = this.#broker.emit("beforeEnqueue", queued, delay);
      const sending = before === undefined
        ? this.#storeOne(queued, delay, options)
        : before.then(() => this.#storeOne(queued, delay, options));
      return options.signal === undefined ? sending : unlessAborted(sending, options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Begins to send a message that is stored synchronously.
   *
   * @returns The message to store, and its delay in milliseconds.
   * @throws {TypeError} If a `beforeEnqueue` hook is asynchronous.
   */
  prepareNow<M extends Message>(
    message: M,
    options: EnqueueOptions,
  ): [queued: M, delay: number | undefined] {
    const delay = delayOf(options);
    const queued = this.#prepareSent(message, options.cause, delay);
    const before = this.#broker.emit("beforeEnqueue", queued, delay);
    if (before === undefined) return [queued, delay];
    before.catch(() => {}); // it is too late for what it would say
    throw new TypeError(
      `Cannot send ${message.actorName} in a transaction: a beforeEnqueue hook is asynchronous, ` +
        "and a transaction does not wait",
    );
  }

  /** Stores a message and changes of the control store: see {@linkcode Broker.enqueueWith}. */
  async enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    const delay = delayOf(options);
    let outcome: ControlOutcome | undefined;
    const send = async () => {
      const queued = this.#prepare(message, options.cause, delay);
      await this.#broker.emit("beforeEnqueue", queued, delay);
      outcome = await this.#steps.storeWith(queued, changes);
      if (outcome.applied) await this.#broker.emit("afterEnqueue", queued, delay);
      return outcome.applied ? [queued] : [];
    };
    if (!this.#emitter.wrapsEnqueue) await send();
    else await this.#emitter.wrapEnqueue([message], options.cause, send);
    return outcome!;
  }

  /** Stores many messages in order: see {@linkcode Broker.enqueueMany}. */
  enqueueMany<M extends Message>(messages: readonly M[], options: EnqueueOptions): Promise<M[]> {
    const send = () => this.#enqueueMany(messages, options);
    if (!this.#emitter.wrapsEnqueue) return send();
    return this.#emitter.wrapEnqueue(messages, options.cause, send);
  }

  async #enqueueMany<M extends Message>(
    messages: readonly M[],
    options: EnqueueOptions,
  ): Promise<M[]> {
    const { signal, cause } = options;
    signal?.throwIfAborted();
    const delay = delayOf(options);
    const { claims } = this.#broker;
    const delayOfOne = claims === undefined
      ? () => delay
      : (message: M) => claims.delayOf(message, options, delay);
    const queued = messages.map((message) => this.#prepare(message, cause, delayOfOne(message)));
    for (let i = 0; i < queued.length; i++) {
      Message.sentBy(this.#broker, messages[i]!);
      Message.sentBy(this.#broker, queued[i]!);
      const before = this.#broker.emit("beforeEnqueue", queued[i]!, delayOfOne(messages[i]!));
      if (before !== undefined) await before;
    }
    const sending = claims === undefined
      ? this.#storeMany(queued, delay)
      : this.#claimMany(queued, delay, options, claims);
    return signal === undefined ? await sending : await unlessAborted(sending, signal);
  }

  /** Puts a delayed message on its queue: see {@linkcode Broker.enqueueDue}. */
  async enqueueDue(delivery: MessageProxy): Promise<void> {
    const broker = this.#broker;
    const changes = {
      queueName: canonicalQueueName(delivery.queueName),
      options: { eta: undefined },
    };
    const due = this.#steps.prepare(delivery.message.copy(changes), undefined);
    if (due.option("uniqueKey") !== undefined && broker.controlStore !== undefined) {
      const claims = broker.claims ?? this.makeClaims();
      const eta = await claims.carry(due, delivery);
      if (eta !== undefined) return await this.#delayUntil(eta, delivery, claims);
    }
    const before = broker.emit("beforeEnqueue", due, undefined);
    if (before !== undefined) await before;
    const stored = this.#steps.storeDue(due, delivery);
    if (stored !== undefined) await stored;
    const after = broker.emit("afterEnqueue", due, undefined);
    if (after !== undefined) await after;
  }

  /**
   * Stores a delivered message anew, to be delivered again later, as workers do while its actor is
   * paused. No hook hears of it.
   *
   * @param delivery The message; it has not begun, and is to be acknowledged then.
   * @param delay Milliseconds.
   */
  async postpone(delivery: MessageProxy, delay: number): Promise<void> {
    const queueName = canonicalQueueName(delivery.queueName);
    const changes = { queueName, options: carriedDeaths(delivery) ?? {} };
    const later = this.#steps.prepare(delivery.message.copy(changes), delay);
    if (later.option("uniqueKey") !== undefined && this.#broker.controlStore !== undefined) {
      await (this.#broker.claims ?? this.makeClaims()).carry(later);
    }
    await this.#steps.store([later]);
  }

  /**
   * Puts a dead letter on its queue as a new message.
   *
   * @param queueName The queue, not that of delayed messages.
   * @param stored What the broker keeps.
   * @param dead The dead letter.
   * @returns Whether the dead letter was still there.
   */
  async requeueDead(queueName: string, stored: StoredDeadLetter, dead: Message): Promise<boolean> {
    const broker = this.#broker;
    const message = revived(queueName, await undoCancellation(broker, dead), broker.clock.now());
    // Hooks are for messages; data that is none has no actor.
    if (message instanceof UndecodableMessage) return await stored.requeue(message);
    const queued = this.#steps.prepare(message, undefined);
    await broker.emit("beforeEnqueue", queued, undefined);
    await broker.claims?.claimAgain(queued);
    if (!await stored.requeue(queued)) return false;
    await broker.emit("afterEnqueue", queued, undefined);
    return true;
  }

  /**
   * Puts a delayed message on its queue before its time.
   *
   * @param queueName The queue, not that of delayed messages.
   * @param message The delayed message.
   * @param store Puts a message on the queue and takes the delayed one away, in one step.
   * @returns Whether the delayed message was still there.
   */
  async runNow(
    queueName: string,
    message: Message,
    store: (message: Message) => Promise<boolean>,
  ): Promise<boolean> {
    if (message instanceof UndecodableMessage) return await store(message);
    const broker = this.#broker;
    const changes = { queueName, options: { eta: undefined } };
    const due = this.#steps.prepare(message.copy(changes), undefined);
    if (due.option("uniqueKey") !== undefined && broker.controlStore !== undefined) {
      await (broker.claims ?? this.makeClaims()).carry(due);
    }
    await broker.emit("beforeEnqueue", due, undefined);
    if (!await store(due)) return false;
    await broker.emit("afterEnqueue", due, undefined);
    return true;
  }

  #prepare<M extends Message>(
    message: M,
    cause: Message | undefined,
    delay: number | undefined,
  ): M {
    return this.#steps.prepare(this.#emitter.prepare(message, cause), delay) as M;
  }

  /** Prepares a message, which is sent by this broker from then on. */
  #prepareSent<M extends Message>(
    message: M,
    cause: Message | undefined,
    delay: number | undefined,
  ): M {
    const queued = this.#prepare(message, cause, delay);
    Message.sentBy(this.#broker, message);
    Message.sentBy(this.#broker, queued);
    return queued;
  }

  /** Not asynchronous itself: a promise and its frame a message are a tenth of sending it. */
  #storeOne<M extends Message>(
    queued: M,
    delay: number | undefined,
    options: EnqueueOptions,
  ): Promise<M> {
    const broker = this.#broker;
    const claimed = broker.claims?.store(queued, options);
    if (claimed !== undefined) return this.#afterClaim(claimed, delay);
    const stored = this.#steps.store([queued]) ?? Promise.resolve();
    if (!broker.hasHook("afterEnqueue")) return stored.then(() => queued);
    return stored.then(() => broker.emit("afterEnqueue", queued, delay)).then(() => queued);
  }

  /** A duplicate was not sent. */
  async #afterClaim<M extends Message>(storing: Promise<M>, delay: number | undefined): Promise<M> {
    const stored = await storing;
    if (!stored.isDuplicate) await this.#broker.emit("afterEnqueue", stored, delay);
    return stored;
  }

  /** Stores messages in order: those that ask for a claim one by one, the others in between at once. */
  async #claimMany<M extends Message>(
    queued: readonly M[],
    delay: number | undefined,
    options: EnqueueOptions,
    claims: Claims,
  ): Promise<M[]> {
    const stored = [...queued];
    const others: M[] = [];
    for (const [i, message] of queued.entries()) {
      if (claims.of(message.actorName) !== undefined) {
        await this.#storeMany(others.splice(0), delay);
        const claimed = claims.store(message, options);
        if (claimed !== undefined) {
          stored[i] = await this.#afterClaim(claimed, claims.delayOf(message, options, delay));
          continue;
        }
      }
      others.push(message);
    }
    await this.#storeMany(others, delay);
    return stored;
  }

  async #storeMany<M extends Message>(queued: M[], delay: number | undefined): Promise<M[]> {
    if (queued.length > 0) await this.#steps.store(queued);
    for (let i = 0; i < queued.length; i++) {
      const after = this.#broker.emit("afterEnqueue", queued[i]!, delay);
      if (after !== undefined) await after;
    }
    return queued;
  }

  /** Stores a delayed message anew that is to run later than it says. No hook hears of it. */
  async #delayUntil(eta: number, { message }: MessageProxy, claims: Claims): Promise<void> {
    const queueName = delayQueueName(canonicalQueueName(message.queueName));
    const later = this.#steps.prepare(message.copy({ queueName, options: { eta } }), undefined);
    await claims.carry(later);
    await this.#steps.store([later]);
  }
}
