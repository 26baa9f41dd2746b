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

/** Lifetime in milliseconds of a claim that cannot be verified: a day. */
const UNVERIFIED_TTL = 86_400_000;
/** Milliseconds for which the latest text of a message is kept: the message may wait long in its queue. */
const TEXT_TTL = 30 * UNVERIFIED_TTL;

/** Number of times a claim is tried while others change it. */
export const ATTEMPTS = 5;

/** The part of a broker that {@linkcode ClaimEntries} use. */
export interface ClaimPlace {
  readonly clock: Clock;
  readonly controlStore: ControlStore | undefined;
  /** True if the broker stores a message and changes of the control store in one step. */
  readonly storesWithChanges: boolean;
}

/** The steps for unique messages that differ between brokers. */
export interface UniqueSteps {
  /** True if the message of a claim is in its queue, delayed, or taken by a worker. */
  isStored(claim: ClaimValue): Promise<boolean>;
  /** Returns the name under which the queue of a message stores it now. */
  stayOf(message: ClaimedMessage): string;
  /** Changes the eta of the delayed message of a claim together with the control store, in one step. */
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
   * @param steps The steps that differ between brokers.
   */
  constructor(broker: ClaimPlace, steps: UniqueSteps) {
    this.#broker = broker;
    this.#steps = steps;
  }

  /** Changes all of the entries, or none. */
  change(...changes: ControlChange[]): Promise<ControlOutcome> {
    return this.#broker.controlStore!.change(changes);
  }

  /** Reads single entries; `undefined` for each that does not exist. */
  async find(...keys: string[]): Promise<readonly (ControlEntry | undefined)[]> {
    const { entries } = await this.#broker.controlStore!.read(keys);
    return keys.map((key) => entries.find((entry) => entry.key === key));
  }

  /**
   * Takes the claim for a message, or has it replace the one that holds the claim.
   *
   * @param message The message.
   * @param unique The options of its actor.
   * @param apply Applies the change that makes the claim.
   * @returns The id of the message that holds the claim, if it is another one.
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
      if (claim.isSending) continue; // its message may never be stored, so do not wait for it
      if (await this.replace(message, claim, ifVersion)) return holder;
      ifVersion = 0; // its message has started, or another one has replaced it
    }
    return holder; // others keep taking it: one of them holds it
  }

  /**
   * Stores the text of a message as the latest one of another message, which keeps its claim.
   *
   * @param message The message that was sent.
   * @param claim The claim of the other.
   * @param ifVersion The version of that claim.
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

  /** Milliseconds after which the claim of a message expires, if the claim cannot be verified. */
  ttlOf(message: ClaimedMessage): number {
    return this.#broker.storesWithChanges ? Infinity : UNVERIFIED_TTL + this.#delayOf(message);
  }

  #delayOf(message: ClaimedMessage): number {
    const eta = message.option("eta");
    return typeof eta === "number" ? Math.max(0, eta - this.#broker.clock.now()) : 0;
  }
}

/** Each replacement delays a debounced message again, up to a bound. */
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
