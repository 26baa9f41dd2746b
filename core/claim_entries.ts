import {
  type ClaimedMessage,
  claimKeyOf,
  type ClaimValue,
  textKeyOf,
  toClaim,
  toTextEntry,
} from "./claim_entry.ts";
import type { ControlChange, ControlEntry, ControlOutcome, ControlStore } from "./control_store.ts";
import type { Clock } from "../platform/clock.ts";
import { canonicalQueueName } from "./queue_names.ts";
import type { Unique } from "./unique.ts";

/** Milliseconds of a claim that cannot be verified: a day. */
const UNVERIFIED_TTL = 86_400_000;
/** Milliseconds for which the latest text of a message is kept: it may be far back in its queue. */
const TEXT_TTL = 30 * UNVERIFIED_TTL;

/** Number of times a claim is tried while others change it. */
export const ATTEMPTS = 5;

/** Broker, as its {@linkcode ClaimEntries} see it. */
export interface ClaimPlace {
  readonly clock: Clock;
  readonly controlStore: ControlStore | undefined;
  /** True if it stores a message and changes in one step. */
  readonly storesWithChanges: boolean;
}

/** Steps of unique messages that differ between brokers. */
export interface UniqueSteps {
  /** Tells whether the message of a claim is on its queue, delayed, or in the hands of a worker. */
  isStored(claim: ClaimValue): Promise<boolean>;
  /** Gives the name that its queue has for a message as it is stored now. */
  stayOf(message: ClaimedMessage): string;
  /** Applies changes, and by that delays the message of a claim until another time. */
  changeDelayed(
    claim: ClaimValue,
    eta: number,
    changes: readonly ControlChange[],
  ): Promise<ControlOutcome>;
}

/** Entries of claims, and of the latest texts of messages, in the control store of a broker. */
export class ClaimEntries {
  readonly #broker: ClaimPlace;
  readonly #steps: UniqueSteps;

  /**
   * Stores where the entries are.
   *
   * @param broker The broker.
   * @param steps How it delays.
   */
  constructor(broker: ClaimPlace, steps: UniqueSteps) {
    this.#broker = broker;
    this.#steps = steps;
  }

  /** Changes entries, all or none. */
  change(...changes: ControlChange[]): Promise<ControlOutcome> {
    return this.#broker.controlStore!.change(changes);
  }

  /** Reads single entries; `undefined` stands for one that does not exist. */
  async find(...keys: string[]): Promise<readonly (ControlEntry | undefined)[]> {
    const { entries } = await this.#broker.controlStore!.read(keys);
    return keys.map((key) => entries.find((entry) => entry.key === key));
  }

  /**
   * Claims for a message, or has it replace the one that has the claim.
   *
   * @param message The message.
   * @param unique The options of its actor.
   * @param apply Applies the change that makes the claim.
   * @returns The id of the message that has the claim, if it is another one.
   */
  async claim(
    message: ClaimedMessage,
    unique: Unique,
    apply: (change: ControlChange) => Promise<ControlOutcome>,
  ): Promise<string | undefined> {
    const key = claimKeyOf(message);
    const { messageId } = message;
    const queueName = canonicalQueueName(message.queueName);
    const stays = [this.#steps.stayOf(message)];
    const value = { messageId, queueName, stays, ...etasOf(message, unique) };
    const ttl = typeof unique.until === "number" ? unique.until : this.ttlOf(message);
    let ifVersion = 0;
    let holder = "";
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const outcome = await apply({ key, value, ifVersion, ttl });
      if (outcome.applied) return undefined;
      const [entry] = outcome.found;
      const claim = toClaim(entry);
      ifVersion = entry === undefined || entry.value === null ? 0 : entry.version;
      if (claim === undefined || claim.messageId === messageId) continue;
      holder = claim.messageId;
      const isAlive = typeof unique.until === "number" || await this.#steps.isStored(claim);
      if (!isAlive) continue;
      if (unique.onDuplicate !== "replace") return holder;
      if (claim.isSending) continue; // it may never arrive, so nothing may depend on it
      if (await this.replace(message, claim, ifVersion)) return holder;
      ifVersion = 0; // it has begun, or another one has replaced it
    }
    return holder; // others take it again and again: it is somebody's
  }

  /**
   * Stores the text of a message as the latest one of another message, which keeps its claim.
   *
   * @param message What was sent.
   * @param claim The claim of the other.
   * @param ifVersion The version of that.
   * @returns False if the claim has changed; then nothing is stored.
   */
  async replace(message: ClaimedMessage, claim: ClaimValue, ifVersion: number): Promise<boolean> {
    const value = toTextEntry(message);
    const ttl = TEXT_TTL + this.#delayOf(message);
    const moved = movedEta(claim, message);
    const renewed = { ...claim, ...moved };
    const changes = [
      { key: claimKeyOf(message), value: renewed, ifVersion, ttl: this.ttlOf(message) },
      { key: textKeyOf(claim.messageId), value, ttl },
    ];
    const outcome = moved.eta === undefined
      ? await this.change(...changes)
      : await this.#steps.changeDelayed(claim, moved.eta, changes);
    return outcome.applied;
  }

  /** Milliseconds after which the claim of a message ends by itself, where it cannot be verified. */
  ttlOf(message: ClaimedMessage): number {
    return this.#broker.storesWithChanges ? Infinity : UNVERIFIED_TTL + this.#delayOf(message);
  }

  #delayOf(message: ClaimedMessage): number {
    const eta = message.option("eta");
    return typeof eta === "number" ? Math.max(0, eta - this.#broker.clock.now()) : 0;
  }
}

/** A debounced message is delayed anew by each that replaces it, up to a bound. */
function movedEta(
  { eta, lastEta = Infinity }: ClaimValue,
  message: ClaimedMessage,
): { eta?: number } {
  const wanted = message.option("eta");
  if (eta === undefined || typeof wanted !== "number") return {};
  return { eta: Math.max(eta, Math.min(wanted, lastEta)) };
}

function etasOf(message: ClaimedMessage, { debounce }: Unique): { eta?: number; lastEta?: number } {
  const eta = message.option("eta");
  if (debounce === undefined || typeof eta !== "number") return {};
  const { wait, maxWait } = debounce;
  return maxWait === Infinity ? { eta } : { eta, lastEta: eta - wait + maxWait };
}
