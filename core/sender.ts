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

/** Steps of sending that differ between brokers; see the methods of {@linkcode Broker}. */
export interface SendSteps {
  prepare(message: Message, delay: number | undefined): Message;
  store(messages: readonly Message[]): void | Promise<void>;
  storeWith(message: Message, changes: readonly ControlChange[]): Promise<ControlOutcome>;
  uniqueSteps(): UniqueSteps;
  storeDue(message: Message, delivery: MessageProxy): void | Promise<void>;
}

/** Sends the messages of a broker: prepares them, calls hooks, and has the broker store them. */
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

  /** Not part of `enqueue`, which would allocate the closure at each call, used or not. */
  #wrapOne<M extends Message>(message: M, options: EnqueueOptions): Promise<M> {
    const send = () => this.#enqueue(message, options);
    return this.#emitter.wrapEnqueue([message], options.cause, send);
  }

  #enqueue<M extends Message>(message: M, options: EnqueueOptions): Promise<M> {
    try {
      const wanted = delayOf(options);
      options.signal?.throwIfAborted();
      const { claims } = this.#broker;
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
   * Prepares a message that is stored synchronously, and calls `beforeEnqueue`.
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
    before.catch(() => {}); // the error below is reported instead
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
    const delay = delayOf(options);
    const { signal, cause } = options;
    signal?.throwIfAborted();
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

  /** Stores a due delayed message on its queue: see {@linkcode Broker.enqueueDue}. */
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
   * Stores a delivered message on its delay queue, while its actor is paused. No hooks are called.
   *
   * @param delivery The message, which has not begun. The caller acknowledges it afterwards.
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
   * Requeues a dead letter as a new message.
   *
   * @param queueName The queue.
   * @param stored The dead letter, as the broker stores it.
   * @param dead The message of the dead letter.
   * @returns False if the dead letter is gone.
   */
  async requeueDead(queueName: string, stored: StoredDeadLetter, dead: Message): Promise<boolean> {
    const broker = this.#broker;
    const message = revived(queueName, await undoCancellation(broker, dead), broker.clock.now());
    // No hooks: undecodable data has no actor.
    if (message instanceof UndecodableMessage) return await stored.requeue(message);
    const queued = this.#steps.prepare(message, undefined);
    await broker.emit("beforeEnqueue", queued, undefined);
    await broker.claims?.claimAgain(queued);
    if (!await stored.requeue(queued)) return false;
    await broker.emit("afterEnqueue", queued, undefined);
    return true;
  }

  /**
   * Stores a delayed message on its queue before it is due.
   *
   * @param queueName The queue.
   * @param message The delayed message.
   * @param store Stores the message and removes the delayed one, in one step.
   * @returns False if the delayed message is gone.
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

  /** Prepares a message, and notes that this broker sends it. */
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

  /** Not an `async` function: its promise and frame would be a tenth of the cost of a message. */
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

  /** Calls `afterEnqueue`, unless the message is a duplicate and was not sent. */
  async #afterClaim<M extends Message>(storing: Promise<M>, delay: number | undefined): Promise<M> {
    const stored = await storing;
    if (!stored.isDuplicate) await this.#broker.emit("afterEnqueue", stored, delay);
    return stored;
  }

  /** Stores messages in order: unique ones one by one, the others between them together. */
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

  /** Stores a delayed message with a later eta on its delay queue. No hooks are called. */
  async #delayUntil(eta: number, { message }: MessageProxy, claims: Claims): Promise<void> {
    const queueName = delayQueueName(canonicalQueueName(message.queueName));
    const later = this.#steps.prepare(message.copy({ queueName, options: { eta } }), undefined);
    await claims.carry(later);
    await this.#steps.store([later]);
  }
}
