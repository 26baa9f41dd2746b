import type { Encoded } from "../../core/encoder.ts";
import { Fifo } from "../../core/fifo.ts";
import { nextTurn } from "../../core/runtime.ts";

/**
 * The most items in one call: Redis stores them within a millisecond, and whatever else it
 * is asked for, a message that is due above all, waits no longer than that. Longer parcels
 * are no cheaper, neither here nor there.
 */
const MAX_PARCEL = 250;
/** The most text in one call: a server reads a whole command before it runs it. */
const MAX_BATCH_LENGTH = 8 * 1024 * 1024;
/** How many calls may be under way, as a rule: enough that neither side waits for the other. */
const WINDOW = 8;

/** Items that travel together. */
interface Parcel {
  readonly args: Encoded[];
  /** Settles when the server has answered. */
  readonly sent: PromiseWithResolvers<void>;
  items: number;
  length: number;
}

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
  readonly #width: number;
  readonly #send: (args: readonly Encoded[]) => Promise<unknown>;
  /** The one that is being filled. */
  #parcel: Parcel | undefined;
  /** Whether the turn in which it was begun is over. */
  #isDue = false;
  #isTurnAwaited = false;
  /** Those that are full. */
  readonly #full: Fifo<Parcel> = new Fifo();
  #underWay = 0;
  /** The promises of all parcels that are not settled. */
  readonly #unsettled: Set<Promise<void>> = new Set();

  /**
   * Makes an empty one.
   *
   * @param width How many arguments an item has.
   * @param send Sends the arguments of many items.
   */
  constructor(width: number, send: (args: readonly Encoded[]) => Promise<unknown>) {
    this.#width = width;
    this.#send = send;
  }

  /**
   * Adds items to what is sent next.
   *
   * @param args The arguments of all items.
   * @returns Resolves when the server has them.
   */
  add(args: readonly Encoded[]): Promise<void> {
    if (args.length === this.#width) {
      const { sent } = this.#addOne(args);
      const isFilled = this.#parcel === undefined;
      if (isFilled) this.#dispatch(Infinity);
      return sent.promise;
    }
    const parcels: Parcel[] = [];
    for (let i = 0; i < args.length; i += this.#width) {
      const parcel = this.#addOne(args, i);
      if (parcels.at(-1) !== parcel) parcels.push(parcel);
    }
    this.#dispatch();
    return Promise.all(parcels.map(({ sent }) => sent.promise)).then(() => {});
  }

  /** Resolves when all that was added has been sent, or given up. */
  async emptied(): Promise<void> {
    await Promise.allSettled(this.#unsettled);
  }

  #addOne(args: readonly Encoded[], first = 0): Parcel {
    const parcel = this.#parcel ?? this.#begin();
    for (let i = first; i < first + this.#width; i++) {
      parcel.args.push(args[i]!);
      parcel.length += args[i]!.length;
    }
    parcel.items += 1;
    if (parcel.items >= MAX_PARCEL || parcel.length >= MAX_BATCH_LENGTH) {
      this.#parcel = undefined;
      this.#full.push(parcel);
    }
    return parcel;
  }

  #begin(): Parcel {
    const parcel: Parcel = { args: [], sent: Promise.withResolvers(), items: 0, length: 0 };
    this.#parcel = parcel;
    this.#isDue = false;
    this.#unsettled.add(parcel.sent.promise);
    if (!this.#isTurnAwaited) this.#awaitTurn();
    return parcel;
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
    while (this.#underWay < window) {
      let parcel = this.#full.shift();
      if (parcel === undefined && this.#isDue) {
        parcel = this.#parcel;
        this.#parcel = undefined;
      }
      if (parcel === undefined) return;
      this.#underWay += 1;
      const { sent } = parcel;
      this.#send(parcel.args).then(() => sent.resolve(), sent.reject).then(() => {
        this.#underWay -= 1;
        this.#unsettled.delete(sent.promise);
        this.#dispatch();
      });
    }
  }
}
