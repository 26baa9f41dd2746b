/** Result of `RateLimiter.acquire`. Leaving its scope, by `await using`, releases it. */
export interface Slot extends AsyncDisposable {
  /** True if there was room: go on only if so. */
  readonly acquired: boolean;
  /**
   * Aborts when a slot that is a lease has ended before it was released, because it could not be
   * renewed in time: others may hold it now. Slots that are no leases have none.
   */
  readonly signal?: AbortSignal;
  /**
   * Makes room for others. It never throws: what the caller did is done, and a slot that could
   * not be given back (which is logged) comes free when its time to live is over.
   */
  release(): Promise<void>;
}

const DONE: Promise<void> = /* @__PURE__ */ Promise.resolve();
const nothing = { release: () => DONE, [Symbol.asyncDispose]: () => DONE };

/** A slot that is not given back. */
export const USED_UP: Slot = /* @__PURE__ */ Object.freeze({ acquired: true, ...nothing });
/** Slot of a caller that found no room. */
export const REFUSED: Slot = /* @__PURE__ */ Object.freeze({ acquired: false, ...nothing });

/** A slot that is held until it is released. */
export class HeldSlot implements Slot {
  /** It was. */
  readonly acquired = true;
  #giveBack: (() => Promise<void>) | undefined;

  /**
   * Takes hold of it.
   *
   * @param giveBack Gives it back; must not throw.
   */
  constructor(giveBack: () => Promise<void>) {
    this.#giveBack = giveBack;
  }

  /** Makes room for others. */
  release(): Promise<void> {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined; // a slot is given back once
    return giveBack === undefined ? DONE : giveBack();
  }

  /** As {@linkcode HeldSlot.release}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
