/** Result of `RateLimiter.acquire`. With `await using`, it is released at the end of its scope. */
export interface Slot extends AsyncDisposable {
  /** True if there was room. */
  readonly acquired: boolean;
  /**
   * Signal that aborts when a lease has expired because it could not be renewed in time: another holder
   * may have the slot now. `undefined` if the slot is not a lease.
   */
  readonly signal?: AbortSignal;
  /**
   * Releases the slot. Never throws: if that fails, which is logged, the slot is free again after its time
   * to live.
   */
  release(): Promise<void>;
}

const DONE: Promise<void> = /* @__PURE__ */ Promise.resolve();
const nothing = { release: () => DONE, [Symbol.asyncDispose]: () => DONE };

/** A slot that need not be released. */
export const USED_UP: Slot = /* @__PURE__ */ Object.freeze({ acquired: true, ...nothing });
/** Slot that was not acquired. */
export const REFUSED: Slot = /* @__PURE__ */ Object.freeze({ acquired: false, ...nothing });

/** A slot to release. */
export class HeldSlot implements Slot {
  /** Always true. */
  readonly acquired = true;
  #giveBack: (() => Promise<void>) | undefined;

  /**
   * Makes a slot.
   *
   * @param giveBack Releases it; must not throw.
   */
  constructor(giveBack: () => Promise<void>) {
    this.#giveBack = giveBack;
  }

  /** Releases the slot. */
  release(): Promise<void> {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined; // only once
    return giveBack === undefined ? DONE : giveBack();
  }

  /** As {@linkcode HeldSlot.release}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
