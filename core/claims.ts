import type { Broker } from "./broker.ts";
import type { EnqueueOptions } from "./actor_options.ts";
import { ATTEMPTS, ClaimEntries, type UniqueSteps } from "./claim_entries.ts";
import {
  claimKeyOf,
  type ClaimValue,
  replaced,
  textKeyOf,
  toClaim,
  toText,
} from "./claim_entry.ts";
import type { ControlChange, ControlOutcome } from "./control_store.ts";
import { DuplicateMessage, MiddlewareError } from "./errors.ts";
import { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { about, getLogger } from "../platform/logging.ts";
import { Turns } from "../platform/turns.ts";
import { type OnDuplicate, type Unique, uniqueKeyOf } from "./unique.ts";

const log = /* @__PURE__ */ getLogger("broker", "claims");

/** Number of names of a message in its queue that a claim remembers: the latest ones. */
const STAYS = 3;
/** Lifetime in milliseconds of a claim whose message is still being sent. */
const SENDING_TTL = 30_000;

/** The part of a broker that {@linkcode Claims} use. */
export interface ClaimSteps extends UniqueSteps {
  /** Stores a message. */
  store(message: Message): Promise<void>;
  /** Stores a message if changes are applied, in one step. */
  storeWith(message: Message, changes: readonly ControlChange[]): Promise<ControlOutcome>;
}

/**
 * Claims of unique messages: entries of the control store that point at living messages.
 *
 * A claim needs no expiry. A sender that is refused by one checks whether its message still exists; if
 * it does not, for whatever reason, the sender takes over the claim.
 */
export class Claims {
  readonly #broker: Broker;
  readonly #steps: ClaimSteps;
  readonly #entries: ClaimEntries;
  readonly #actors: Map<string, Unique> = new Map();
  /** Delayed messages that have reached their queue. */
  readonly #moved: WeakSet<MessageProxy> = new WeakSet();
  /** Deliveries that run with a later text than was delivered. */
  readonly #replaced: WeakSet<MessageProxy> = new WeakSet();
  /** Sends that replace, by key. */
  readonly #turns: Turns = new Turns();
  /** Number of duplicates by actor, for each way to handle them. */
  readonly duplicates: Map<string, Record<OnDuplicate, number>> = new Map();

  /**
   * Makes a collection that knows no actor.
   *
   * @param broker The broker.
   * @param steps The steps that differ between brokers.
   */
  constructor(broker: Broker, steps: ClaimSteps) {
    this.#broker = broker;
    this.#steps = steps;
    this.#entries = new ClaimEntries(broker, steps);
  }

  /** Registers an actor whose messages are unique. */
  add(actorName: string, unique: Unique): void {
    this.#actors.set(actorName, unique);
  }

  /** True if the messages of an actor are debounced. */
  delays(actorName: string): boolean {
    return this.#actors.get(actorName)?.debounce !== undefined;
  }

  /**
   * Returns the delay of a message.
   *
   * @param message The message to send.
   * @param options The message that it follows from, and whether it is a part of something.
   * @param delay The delay that the sender asks for, in milliseconds.
   * @returns The delay in milliseconds; `undefined` for none.
   * @throws {TypeError} If the sender asks for a delay and the actor is debounced.
   */
  delayOf(
    { actorName }: Message,
    { cause, isPart }: Pick<EnqueueOptions, "cause" | "isPart">,
    delay: number | undefined,
  ): number | undefined {
    const debounce = this.#actors.get(actorName)?.debounce;
    if (debounce === undefined || cause !== undefined || isPart === true) return delay;
    if (delay === undefined) return debounce.wait;
    throw new TypeError(
      `Cannot send ${actorName} with a delay of ${delay} ms: its option debounce delays its messages`,
    );
  }

  /**
   * Stores a message of an actor whose messages are unique.
   *
   * @param message The message to store.
   * @param options The message that it follows from, and whether it is a part of something.
   * @returns The message that is stored: this one, or the one that holds the claim. `undefined` if the
   *   message needs no claim; the caller then stores it like any other.
   */
  store<M extends Message>(
    message: M,
    { cause, isPart }: Pick<EnqueueOptions, "cause" | "isPart">,
  ): Promise<M> | undefined {
    const unique = this.#actors.get(message.actorName);
    // A group or pipeline would wait for ever for a message that is dropped.
    if (unique === undefined || isPart === true) return undefined;
    if (cause === undefined) {
      const keyed = this.#keyed(message, unique);
      const send = () => this.#storeNew(keyed, unique);
      // Messages that this process sends one after the other replace each other in that order.
      return unique.onDuplicate === "replace" ? this.#turns.take(claimKeyOf(keyed), send) : send();
    }
    // A message that follows from another one, such as the next of a pipeline, must not be lost.
    if (cause.messageId !== message.messageId || unique.until === "started") return undefined;
    return this.carry(message).then(() => this.#steps.store(message)).then(() => message);
  }

  /**
   * Points the claim of a message at its next place: its retry, or its place in its queue.
   *
   * @param message The message as it is about to be stored.
   * @param delivery The delayed message that it replaces; acknowledging that one does not end the claim.
   * @returns The time to which the message has been delayed since, if that is later than the eta of
   *   the delivery: then the message must not run yet, and its claim is unchanged.
   */
  async carry(message: Message, delivery?: MessageProxy): Promise<number | undefined> {
    if (delivery !== undefined) this.#moved.add(delivery);
    const key = claimKeyOf(message);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [entry] = await this.#entries.find(key);
      const claim = toClaim(entry);
      if (claim?.messageId !== message.messageId) return;
      if (delivery !== undefined && claim.eta! > Number(delivery.option("eta"))) return claim.eta;
      const stays = [...claim.stays, this.#steps.stayOf(message)].slice(-STAYS);
      const ttl = this.#entries.ttlOf(message);
      const change = { key, value: { ...claim, stays }, ifVersion: entry!.version, ttl };
      if ((await this.#entries.change(change)).applied) return;
    }
  }

  /**
   * Ends the claim of a message, if the message still holds it.
   *
   * @param delivery The message, as it was delivered.
   */
  async release(delivery: MessageProxy): Promise<void> {
    if (this.#moved.has(delivery)) return;
    const key = claimKeyOf(delivery.message);
    const [entry] = await this.#entries.find(key);
    const claim = toClaim(entry);
    if (claim?.messageId !== delivery.messageId) return;
    // A message that is delivered again after its retry was stored must not end the retry's claim.
    if (claim.stays.at(-1) !== this.#steps.stayOf(delivery.message)) return;
    await this.#entries.change({ key, value: null, ifVersion: entry!.version });
  }

  /**
   * Ends the claim of a message that may be replaced until it starts, and gives the message the text
   * that was sent last. Later sends create another message.
   *
   * @param delivery The message, as it was delivered.
   * @throws {MiddlewareError} If others keep changing the claim.
   */
  async begin(delivery: MessageProxy): Promise<void> {
    const { message, messageId } = delivery;
    const key = claimKeyOf(message);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const [entry, text] = await this.#entries.find(key, textKeyOf(messageId));
      if (toClaim(entry)?.messageId === messageId) {
        const ended = { key, value: null, ifVersion: entry!.version };
        if (!(await this.#entries.change(ended)).applied) continue;
      }
      // A message that is delivered again has no claim any more, but keeps the text that it started with.
      const data = toText(text);
      if (data === undefined) return;
      const latest = replaced(message, Message.decode(data));
      Message.sentBy(this.#broker, latest);
      delivery.message = latest;
      this.#replaced.add(delivery);
      return;
    }
    throw new MiddlewareError(`Cannot begin message ${messageId}: others keep replacing it`);
  }

  /** True if a delivery runs with a later text than was delivered. */
  isReplaced(delivery: MessageProxy): boolean {
    return this.#replaced.has(delivery);
  }

  /** Forgets the latest text of a message that is settled. */
  async forgetText({ messageId }: MessageProxy): Promise<void> {
    await this.#entries.change({ key: textKeyOf(messageId), value: null });
  }

  /** The options of an actor; `undefined` if its messages are not unique. */
  of(actorName: string): Unique | undefined {
    return this.#actors.get(actorName);
  }

  /**
   * Takes the claim for a dead letter before it is requeued.
   *
   * @throws {DuplicateMessage} If another message holds the claim.
   */
  async claimAgain(message: Message): Promise<void> {
    const unique = this.#actors.get(message.actorName);
    if (unique === undefined) return;
    const holder = await this.#entries.claim(
      message.option("uniqueKey") === undefined ? this.#keyed(message, unique) : message,
      { ...unique, onDuplicate: "throw" },
      (change) => this.#entries.change(change),
    );
    if (holder !== undefined) throw duplicateOf(message, holder);
  }

  /** @throws {TypeError} If its key cannot be made. */
  #keyed<M extends Message>(message: M, unique: Unique): M {
    const keyed = message.copy({ options: { uniqueKey: uniqueKeyOf(unique, message) } }) as M;
    Message.sentBy(this.#broker, keyed);
    return keyed;
  }

  async #storeNew<M extends Message>(keyed: M, unique: Unique): Promise<M> {
    const holder = this.#broker.storesWithChanges
      ? await this.#entries.claim(keyed, unique, (change) => this.#steps.storeWith(keyed, [change]))
      : await this.#claimFirst(keyed, unique);
    if (holder === undefined) return keyed;
    this.#count(keyed.actorName, unique.onDuplicate);
    log.debug("Message of {actor} is a duplicate of {messageId}", {
      ...about(keyed),
      messageId: holder,
    });
    if (unique.onDuplicate === "throw") throw duplicateOf(keyed, holder);
    const duplicate = keyed.copy({ messageId: holder }) as M;
    Message.sentBy(this.#broker, duplicate);
    Message.noteDuplicate(duplicate);
    return duplicate;
  }

  /** Claims, then stores; a process that dies in between leaves a claim that soon ends. */
  async #claimFirst(message: Message, unique: Unique): Promise<string | undefined> {
    let claimed: ControlChange | undefined;
    let ifVersion: number | undefined;
    const holder = await this.#entries.claim(message, unique, async (change) => {
      claimed = change;
      const value = { ...change.value as unknown as ClaimValue, isSending: true };
      const ttl = Math.min(change.ttl ?? Infinity, SENDING_TTL);
      const outcome = await this.#entries.change({ ...change, value, ttl });
      ifVersion = outcome.found[0]?.version;
      return outcome;
    });
    if (holder !== undefined) return holder;
    const { key, value, ttl = Infinity } = claimed!;
    const compared = ifVersion === undefined ? {} : { ifVersion };
    try {
      await this.#steps.store(message);
    } catch (error) {
      // If this fails, the claim expires.
      await this.#entries.change({ key, value: null, ...compared }).catch(() => {});
      throw error;
    }
    // If the message has run since, its claim is gone or belongs to another message.
    await this.#entries.change({ key, value, ttl, ...compared });
    return undefined;
  }

  #count(actorName: string, action: OnDuplicate): void {
    let counts = this.duplicates.get(actorName);
    if (counts === undefined) {
      this.duplicates.set(actorName, counts = { keep: 0, replace: 0, throw: 0 });
    }
    counts[action] += 1;
  }
}

function duplicateOf({ actorName }: Message, holder: string): DuplicateMessage {
  return new DuplicateMessage(
    `Cannot send ${actorName}: message ${holder} has the same unique key`,
    { holder },
  );
}
