import { allStored } from "../../core/delivery_state.ts";
import type { Encoded } from "../../core/encoder.ts";
import { Fifo } from "../../core/fifo.ts";
import { nextTurn } from "../../core/runtime.ts";
import { type Pack, Parcel } from "./parcel.ts";

/** How many calls may be under way, as a rule: enough that neither side waits for the other. */
const WINDOW = 8;

/** Milliseconds between the first and the last item of a parcel that waits for its turn. */
const LONGEST_GATHERING = 250;

/** Whether a large item is sent at once, so that no later one overtakes it. */
type IsReady = () => boolean;

/** Makes one call, for what has waited since that time of `performance.now()`. */
type Send = (args: readonly Encoded[], since: number) => Promise<unknown>;

/**
 * Collects what is to be sent in one turn of the event loop, to send it together:
 * nothing waits for a timer, and a busy process makes few calls.
 *
 * While as many calls as the window allows are under way, what is added waits for the
 * end of one of them: a server that is slow, or far, gets larger parcels. Items that come
 * one by one do not wait once they fill a parcel. As long as the turn lasts no answer can be
 * heard, and the server works while the caller makes the next ones.
 */
export class Outbox {
  readonly #send: Send;
  readonly #pack: Pack;
  readonly #isReady: IsReady;
  /** The one that is being filled. */
  #parcel: Parcel | undefined;
  /** Whether the turn in which it was begun is over. */
  #isDue = false;
  #isTurnAwaited = false;
  /** Those that are closed. */
  readonly #closed: Fifo<Parcel> = new Fifo();
  #underWay = 0;
  /** Whether the next call waits for the end of one. */
  #isHeld = false;
  /** The promises of all parcels that are not settled. */
  readonly #unsettled: Set<Promise<void>> = new Set();

  /**
   * Makes an empty one.
   *
   * @param send Makes one call.
   * @param pack Makes its arguments of those of many items. @default {as they are, in a row}
   * @param isReady Asked before a large item is sent; if not, the next call waits for its end.
   */
  constructor(send: Send, pack: Pack = (args) => args, isReady: IsReady = () => true) {
    this.#send = send;
    this.#pack = pack;
    this.#isReady = isReady;
  }

  /**
   * Adds an item to what is sent next.
   *
   * @param args Its arguments.
   * @returns Resolves when the server has it.
   */
  add(args: readonly Encoded[]): Promise<void> {
    if (this.#parcel !== undefined && !this.#mayTake(this.#parcel, args)) this.#close(this.#parcel);
    const parcel = this.#parcel ?? this.#begin(new Parcel());
    parcel.add(args);
    if (parcel.isFull) {
      this.#close(parcel);
      this.#dispatch(Infinity);
    }
    return parcel.sent.promise;
  }

  /** When a server is away the items of a parcel fail together: each is to have its five seconds. */
  #mayTake(parcel: Parcel, args: readonly Encoded[]): boolean {
    if (!parcel.hasRoomFor(args)) return false;
    return !this.#isDue || performance.now() - parcel.begunAt < LONGEST_GATHERING;
  }

  /** Begins to gather items of which all are to be sent, or none. */
  gather(): Load {
    return new Load(this.#pack, (parcels) => this.#addAll(parcels));
  }

  /** Resolves when all that was added has been sent, or given up. */
  async emptied(): Promise<void> {
    await Promise.allSettled(this.#unsettled);
  }

  #addAll(parcels: readonly Parcel[]): Promise<void> {
    const sent = parcels.map((parcel) => this.#addParcel(parcel).sent.promise);
    this.#dispatch();
    return allStored(sent);
  }

  /** @returns The parcel that has the items now. */
  #addParcel(parcel: Parcel): Parcel {
    const current = this.#parcel;
    if (current !== undefined) {
      const isTakenIn = !parcel.isFull && current.takeIn(parcel);
      if (!isTakenIn || current.isFull) this.#close(current);
      if (isTakenIn) return current;
    }
    this.#begin(parcel);
    if (parcel.isFull) this.#close(parcel);
    return parcel;
  }

  #begin(parcel: Parcel): Parcel {
    this.#parcel = parcel;
    this.#isDue = false;
    this.#unsettled.add(parcel.sent.promise);
    if (!this.#isTurnAwaited) this.#awaitTurn();
    return parcel;
  }

  #close(parcel: Parcel): void {
    this.#parcel = undefined;
    this.#closed.push(parcel);
  }

  /** Knows no parcel, since it would keep the items of those that have long been sent. */
  #awaitTurn(): void {
    this.#isTurnAwaited = true;
    nextTurn().then(() => {
      this.#isTurnAwaited = false;
      this.#isDue = true;
      this.#dispatch();
    });
  }

  #dispatch(window = WINDOW): void {
    while (this.#underWay < window && !this.#isHeld) {
      if (this.#closed.size === 0 && this.#isDue && this.#parcel !== undefined) {
        this.#close(this.#parcel);
      }
      const parcel = this.#closed.shift();
      if (parcel === undefined) return;
      if (parcel.isAlone && !this.#isReady()) this.#isHeld = true;
      this.#sendNow(parcel);
    }
  }

  #sendNow(parcel: Parcel): void {
    const { sent } = parcel;
    this.#underWay += 1;
    this.#send(parcel.pack(this.#pack), parcel.begunAt).then(() => sent.resolve(), sent.reject)
      .then(() => {
        this.#underWay -= 1;
        if (parcel.isAlone) this.#isHeld = false;
        this.#unsettled.delete(sent.promise);
        this.#dispatch();
      });
  }
}

/** Items that have been made, of which nothing is sent before all of them are. */
export class Load {
  readonly #pack: Pack;
  readonly #send: (parcels: readonly Parcel[]) => Promise<void>;
  readonly #parcels: Parcel[] = [];

  /**
   * Has nothing yet.
   *
   * @param pack Packs what fills a parcel.
   * @param send Sends all parcels.
   */
  constructor(pack: Pack, send: (parcels: readonly Parcel[]) => Promise<void>) {
    this.#pack = pack;
    this.#send = send;
  }

  /**
   * Adds an item.
   *
   * @param args Its arguments.
   */
  add(args: readonly Encoded[]): void {
    let parcel = this.#parcels.at(-1);
    if (parcel === undefined || !parcel.hasRoomFor(args)) {
      this.#parcels.push(parcel = new Parcel());
    }
    parcel.add(args);
    // Now: a text takes less room among others.
    if (parcel.isFull) parcel.pack(this.#pack);
  }

  /**
   * Sends all items.
   *
   * @returns Resolves when the server has them.
   */
  send(): Promise<void> {
    return this.#send(this.#parcels);
  }
}
