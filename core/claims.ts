import type { Broker } from "./broker.ts";
import type { EnqueueOptions } from "./broker_options.ts";
import type { ControlChange, ControlEntry, ControlOutcome } from "./control_store.ts";
import { DuplicateMessage } from "./errors.ts";
import { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import type { Middleware } from "./middleware.ts";
import { canonicalQueueName } from "./queue_names.ts";
import { about, getLogger } from "../platform/logging.ts";
import { type Unique, uniqueKeyOf } from "./unique.ts";

const log = /* @__PURE__ */ getLogger("broker", "claims");

/** Beginning of the keys of claims; the actor and the key of the message follow. */
export const CLAIM_PREFIX = "claim/";
/** Number of times a claim is tried while others change it. */
const ATTEMPTS = 5;
/** Number of stays of a message that a claim remembers: the last one, and those that it came from. */
const STAYS = 3;
/** Milliseconds of a claim whose message is on its way, where both are not stored in one step. */
const SENDING_TTL = 30_000;
/** Milliseconds of a claim that cannot be verified: a day. */
const UNVERIFIED_TTL = 86_400_000;

/** A claim, as the control store keeps it. */
export interface ClaimValue {
  /** Message that has the claim. */
  readonly messageId: string;
  /** Its queue. */
  readonly queueName: string;
  /** What its queue may call it, the latest stay last. */
  readonly stays: readonly string[];
}

/** Broker, as its {@linkcode Claims} see it. */
export interface ClaimSteps {
  /** Stores a message. */
  store(message: Message): Promise<void>;
  /** Stores a message if changes are applied, in one step. */
  storeWith(message: Message, changes: readonly ControlChange[]): Promise<ControlOutcome>;
  /** Tells whether the message of a claim is on its queue, delayed, or in the hands of a worker. */
  isStored(claim: ClaimValue): Promise<boolean>;
  /** What its queue calls a message as it is stored now. */
  stayOf(message: Message): string;
}

/**
 * Claims of unique messages: entries of the control store that point at living messages.
 *
 * A claim needs no expiry. Whoever is refused by one looks whether its message still lives; if not,
 * however it came to its end, the claim is taken over.
 */
export class Claims {
  readonly #broker: Broker;
  readonly #steps: ClaimSteps;
  readonly #actors: Map<string, Unique> = new Map();
  /** Delayed messages that are on their queue by now. */
  readonly #moved: WeakSet<MessageProxy> = new WeakSet();
  /** Number of duplicates by actor, for each of `keep` and `throw`. */
  readonly duplicates: Map<string, { keep: number; throw: number }> = new Map();

  /**
   * Makes a collection that knows no actor.
   *
   * @param broker The broker.
   * @param steps How it stores.
   */
  constructor(broker: Broker, steps: ClaimSteps) {
    this.#broker = broker;
    this.#steps = steps;
  }

  /** Notes an actor whose messages are unique. */
  add(actorName: string, unique: Unique): void {
    this.#actors.set(actorName, unique);
  }

  /**
   * Stores a message whose actor wants it unique.
   *
   * @param message What to store.
   * @param options The message that it follows from, and whether it is a part of something.
   * @returns What is stored: this message, or the one that has the claim. `undefined` if it asks for no
   *   claim, and is to be stored as any other.
   */
  store<M extends Message>(
    message: M,
    { cause, isPart }: Pick<EnqueueOptions, "cause" | "isPart">,
  ): Promise<M> | undefined {
    const unique = this.#actors.get(message.actorName);
    // A group or pipeline would wait for ever for a message that is dropped.
    if (unique === undefined || isPart === true) return undefined;
    if (cause === undefined) return this.#storeNew(message, unique);
    // What follows from another message, as the next one of a pipeline, must not be lost.
    if (cause.messageId !== message.messageId || unique.until === "started") return undefined;
    return this.carry(message).then(() => this.#steps.store(message)).then(() => message);
  }

  /**
   * Has the claim of a message point at its next stay: its retry, or its place on its queue.
   *
   * @param message The message as it is about to be stored.
   * @param delivery The delayed message whose place it takes; the end of that is not its own.
   */
  async carry(message: Message, delivery?: MessageProxy): Promise<void> {
    if (delivery !== undefined) this.#moved.add(delivery);
    const key = claimKeyOf(message);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const entry = await this.#read(key);
      const claim = toClaim(entry);
      if (claim?.messageId !== message.messageId) return;
      const stays = [...claim.stays, this.#steps.stayOf(message)].slice(-STAYS);
      const change = { key, value: { ...claim, stays }, ifVersion: entry!.version, ...this.#ttl };
      if ((await this.#broker.controlStore!.change([change])).applied) return;
    }
  }

  /**
   * Ends the claim of a message, if it still has it.
   *
   * @param delivery The message, as it was delivered.
   */
  async release(delivery: MessageProxy): Promise<void> {
    if (this.#moved.has(delivery)) return;
    const key = claimKeyOf(delivery.message);
    const entry = await this.#read(key);
    const claim = toClaim(entry);
    if (claim?.messageId !== delivery.messageId) return;
    // Delivered again, a message whose retry is stored must not end the claim of that.
    if (claim.stays.at(-1) !== this.#steps.stayOf(delivery.message)) return;
    await this.#broker.controlStore!.change([{ key, value: null, ifVersion: entry!.version }]);
  }

  /** The options of an actor; `undefined` if its messages are not unique. */
  of(actorName: string): Unique | undefined {
    return this.#actors.get(actorName);
  }

  /**
   * Claims for a dead letter that is to be requeued.
   *
   * @throws {DuplicateMessage} If another message has the claim.
   */
  async claimAgain(message: Message): Promise<void> {
    const unique = this.#actors.get(message.actorName);
    if (unique === undefined) return;
    const holder = await this.#claim(
      message.option("uniqueKey") === undefined ? this.#keyed(message, unique) : message,
      unique,
      (change) => this.#broker.controlStore!.change([change]),
    );
    if (holder !== undefined) throw duplicateOf(message, holder);
  }

  #keyed<M extends Message>(message: M, unique: Unique): M {
    const keyed = message.copy({ options: { uniqueKey: uniqueKeyOf(unique, message) } }) as M;
    Message.sentBy(this.#broker, keyed);
    return keyed;
  }

  async #storeNew<M extends Message>(message: M, unique: Unique): Promise<M> {
    const keyed = this.#keyed(message, unique);
    const holder = this.#broker.storesWithChanges
      ? await this.#claim(keyed, unique, (change) => this.#steps.storeWith(keyed, [change]))
      : await this.#claimFirst(keyed, unique);
    if (holder === undefined) return keyed;
    this.#count(message.actorName, unique.onDuplicate);
    log.debug("Message of {actor} is a duplicate of {messageId}", {
      ...about(keyed),
      messageId: holder,
    });
    if (unique.onDuplicate === "throw") throw duplicateOf(message, holder);
    const duplicate = keyed.copy({ messageId: holder }) as M;
    Message.sentBy(this.#broker, duplicate);
    Message.noteDuplicate(duplicate);
    return duplicate;
  }

  /** Claims, then stores; a process that dies in between leaves a claim that soon ends. */
  async #claimFirst(message: Message, unique: Unique): Promise<string | undefined> {
    const store = this.#broker.controlStore!;
    let claimed: ControlChange | undefined;
    const holder = await this.#claim(message, unique, (change) => {
      claimed = change;
      const ttl = Math.min(change.ttl ?? Infinity, SENDING_TTL);
      return store.change([{ ...change, ttl }]);
    });
    if (holder !== undefined) return holder;
    const { key, value, ttl = Infinity } = claimed!;
    try {
      await this.#steps.store(message);
    } catch (error) {
      await store.change([{ key, value: null }]).catch(() => {}); // it ends by itself
      throw error;
    }
    await store.change([{ key, value, ttl }]);
    return undefined;
  }

  /** @returns The id of the message that has the claim, if it is another one. */
  async #claim(
    message: Message,
    unique: Unique,
    apply: (change: ControlChange) => Promise<ControlOutcome>,
  ): Promise<string | undefined> {
    const key = claimKeyOf(message);
    const { messageId } = message;
    const queueName = canonicalQueueName(message.queueName);
    const value = { messageId, queueName, stays: [this.#steps.stayOf(message)] };
    const ttl = typeof unique.until === "number" ? { ttl: unique.until } : this.#ttl;
    let ifVersion = 0;
    let holder = "";
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const outcome = await apply({ key, value, ifVersion, ...ttl });
      if (outcome.applied) return undefined;
      const [entry] = outcome.found;
      const claim = toClaim(entry);
      ifVersion = entry === undefined || entry.value === null ? 0 : entry.version;
      if (claim === undefined || claim.messageId === messageId) continue;
      holder = claim.messageId;
      const isAlive = typeof unique.until === "number" || await this.#steps.isStored(claim);
      if (isAlive) return holder;
    }
    return holder; // others take it again and again: it is somebody's
  }

  /** Where claims cannot be verified they end by themselves. */
  get #ttl(): { ttl?: number } {
    return this.#broker.storesWithChanges ? {} : { ttl: UNVERIFIED_TTL };
  }

  async #read(key: string): Promise<ControlEntry | undefined> {
    const { entries } = await this.#broker.controlStore!.read(key);
    return entries.find((entry) => entry.key === key);
  }

  #count(actorName: string, action: "keep" | "throw"): void {
    let counts = this.duplicates.get(actorName);
    if (counts === undefined) this.duplicates.set(actorName, counts = { keep: 0, throw: 0 });
    counts[action] += 1;
  }
}

/** Ends claims: it is a middleware of brokers that have actors with unique messages, and of no others. */
export class ClaimRelease implements Middleware {
  readonly #claims: Claims;

  /** @param claims The claims of the broker. */
  constructor(claims: Claims) {
    this.#claims = claims;
  }

  /** Ends a claim that lasts until its message starts, before it does. */
  beforeProcessMessage(_broker: Broker, message: MessageProxy): void | Promise<void> {
    if (this.#isUntil(message, "started")) return this.#release(message);
  }

  /** Ends the claim of a message that is done. */
  afterAck(_broker: Broker, message: MessageProxy): void | Promise<void> {
    if (!message.retried && this.#isUntil(message, "finished")) return this.#release(message);
  }

  /** Ends the claim of a message that failed for good. */
  afterNack(_broker: Broker, message: MessageProxy): void | Promise<void> {
    if (this.#isUntil(message, "finished")) return this.#release(message);
  }

  #isUntil(message: MessageProxy, until: "started" | "finished"): boolean {
    return this.#claims.of(message.actorName)?.until === until &&
      typeof message.option("uniqueKey") === "string";
  }

  /** A claim that stays is found to be stale by whoever is refused by it. */
  async #release(message: MessageProxy): Promise<void> {
    try {
      await this.#claims.release(message);
    } catch (error) {
      log.warn("Failed to end the claim of message {messageId} of {actor}: {reason}", {
        ...about(message, error),
      });
    }
  }
}

/**
 * Reads a claim.
 *
 * @param entry An entry of the control store.
 * @returns The claim; `undefined` if the entry is gone, or none.
 */
export function toClaim(entry: ControlEntry | undefined): ClaimValue | undefined {
  const value = entry?.value as Partial<ClaimValue> | null | undefined;
  const { messageId, queueName, stays } = value ?? {};
  if (typeof messageId !== "string" || typeof queueName !== "string") return undefined;
  return { messageId, queueName, stays: Array.isArray(stays) ? stays.map(String) : [] };
}

function claimKeyOf(message: Message): string {
  return `${CLAIM_PREFIX}${message.actorName}/${message.option("uniqueKey")}`;
}

function duplicateOf({ actorName }: Message, holder: string): DuplicateMessage {
  return new DuplicateMessage(
    `Cannot send ${actorName}: message ${holder} has the same unique key`,
    { holder },
  );
}
