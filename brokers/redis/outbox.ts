import type { Encoded } from "../../core/encoder.ts";
import { nextTurn } from "../../core/runtime.ts";
import { MAX_BATCH } from "./scripts.ts";

/** The most text in one call: a server reads a whole command before it runs it. */
const MAX_BATCH_LENGTH = 8 * 1024 * 1024;

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
 */
export class Outbox {
  readonly #width: number;
  readonly #send: (args: readonly Encoded[]) => Promise<unknown>;
  #parcel: Parcel | undefined;

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
    if (args.length === this.#width) return this.#addOne(args).sent.promise;
    const parcels: Parcel[] = [];
    for (let i = 0; i < args.length; i += this.#width) {
      const parcel = this.#addOne(args, i);
      if (parcels.at(-1) !== parcel) parcels.push(parcel);
    }
    return Promise.all(parcels.map(({ sent }) => sent.promise)).then(() => {});
  }

  #addOne(args: readonly Encoded[], first = 0): Parcel {
    const parcel = this.#parcel ?? this.#begin();
    for (let i = first; i < first + this.#width; i++) {
      parcel.args.push(args[i]!);
      parcel.length += args[i]!.length;
    }
    parcel.items += 1;
    if (parcel.items >= MAX_BATCH || parcel.length >= MAX_BATCH_LENGTH) this.#dispatch(parcel);
    return parcel;
  }

  #begin(): Parcel {
    const parcel: Parcel = { args: [], sent: Promise.withResolvers(), items: 0, length: 0 };
    this.#parcel = parcel;
    nextTurn().then(() => {
      if (this.#parcel === parcel) this.#dispatch(parcel);
    });
    return parcel;
  }

  #dispatch(parcel: Parcel): void {
    this.#parcel = undefined;
    this.#send(parcel.args).then(() => parcel.sent.resolve(), parcel.sent.reject);
  }
}
