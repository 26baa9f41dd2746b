import {
  type ClaimedMessage,
  claimKeyOf,
  type ClaimValue,
  textKeyOf,
  toTextEntry,
} from "./claim_entry.ts";
import type { ControlChange, ControlEntry, ControlOutcome, ControlStore } from "./control_store.ts";
import type { Clock } from "../platform/clock.ts";

/** Milliseconds of a claim that cannot be verified: a day. */
const UNVERIFIED_TTL = 86_400_000;
/** Milliseconds for which the latest text of a message is kept: it may be far back in its queue. */
const TEXT_TTL = 30 * UNVERIFIED_TTL;

/** Broker, as its {@linkcode ClaimEntries} see it. */
export interface ClaimPlace {
  readonly clock: Clock;
  readonly controlStore: ControlStore | undefined;
  /** True if it stores a message and changes in one step. */
  readonly storesWithChanges: boolean;
}

/** Step by which a broker delays a message until another time. */
export interface DelaySteps {
  /** Applies changes, and by that delays the message of a claim. */
  changeDelayed(
    claim: ClaimValue,
    eta: number,
    changes: readonly ControlChange[],
  ): Promise<ControlOutcome>;
}

/** Entries of claims, and of the latest texts of messages, in the control store of a broker. */
export class ClaimEntries {
  readonly #broker: ClaimPlace;
  readonly #steps: DelaySteps;

  /**
   * Stores where the entries are.
   *
   * @param broker The broker.
   * @param steps How it delays.
   */
  constructor(broker: ClaimPlace, steps: DelaySteps) {
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
