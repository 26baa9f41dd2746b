import { type Clock, pause } from "../platform/clock.ts";
import type { ControlEntry, ControlStore } from "../core/control_store.ts";
import { getLogger } from "../platform/logging.ts";
import { retryDelay } from "../platform/retry_delay.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("control");

/** Options of a {@linkcode ControlView}. */
export interface ControlViewOptions {
  readonly store: ControlStore;
  /** The clock of retries. */
  readonly clock: Clock;
  /** Key prefixes of the entries to follow. */
  readonly prefixes: readonly string[];
  /**
   * Called for each entry at first, and when it changes. The value of a removed entry is `null`.
   */
  changed(entry: ControlEntry): void;
  /** Called with the time of the store after each read. */
  read?(now: number): void;
}

/**
 * A copy of the entries of a control store: read once, then updated by the notifications of the
 * store. While the store cannot be reached, the copy stays as it is.
 *
 * Notifications that arrive during a read are kept and applied after it, by version: they may be
 * older than what was read.
 */
export class ControlView {
  readonly #options: ControlViewOptions;
  readonly #entries: Map<string, ControlEntry> = new Map();
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stopped: AbortController = new AbortController();
  /** Notifications during a read; `undefined` while none is running. */
  #pending: ControlEntry[] | undefined;
  /** True if another read is needed. */
  #isOutdated = false;
  #watch: Disposable | undefined;

  /**
   * Stores the options; `start` begins.
   *
   * @param options The store, and the entries to follow.
   */
  constructor(options: ControlViewOptions) {
    this.#options = options;
  }

  /** Resolves after the first read, or when the view is stopped. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Subscribes to changes, and reads. */
  start(): void {
    const { store, prefixes } = this.#options;
    this.#watch = store.watch("", {
      changed: (entry) => {
        if (!prefixes.some((prefix) => entry.key.startsWith(prefix))) return;
        if (this.#pending === undefined) this.#apply(entry);
        else this.#pending.push(entry);
      },
      reset: () => this.#readSoon(),
    });
    this.#readSoon();
  }

  /** Unsubscribes. */
  stop(): void {
    this.#watch?.[Symbol.dispose]();
    this.#stopped.abort();
    this.#ready.resolve();
  }

  #readSoon(): void {
    this.#isOutdated = true;
    if (this.#pending === undefined) void this.#read();
  }

  /** Reads until a read succeeds without a reset meanwhile. Never rejects. */
  async #read(): Promise<void> {
    const { signal } = this.#stopped;
    this.#pending = [];
    for (let attempt = 0; this.#isOutdated && !signal.aborted;) {
      this.#isOutdated = false;
      try {
        await this.#readOnce();
        attempt = 0;
      } catch (error) {
        if (signal.aborted) break;
        if (attempt === 0) {
          log.warn("Retrying to read the control store: {reason}", {
            reason: errorMessage(error),
            error,
          });
        }
        this.#isOutdated = true;
        await pause(this.#options.clock, retryDelay(attempt++), signal);
      }
    }
    const pending = this.#pending;
    this.#pending = undefined;
    for (const entry of pending) this.#apply(entry);
  }

  async #readOnce(): Promise<void> {
    const { store, prefixes, read } = this.#options;
    const snapshots = await Promise.all(prefixes.map((prefix) => store.read(prefix)));
    if (this.#stopped.signal.aborted) return;
    const found = new Map(
      snapshots.flatMap(({ entries }) => entries).map((entry) => [entry.key, entry]),
    );
    read?.(snapshots[0]!.now);
    for (const [key, { version }] of [...this.#entries]) {
      if (!found.has(key)) this.#apply({ key, value: null, version });
    }
    for (const entry of found.values()) this.#apply(entry);
    this.#ready.resolve();
  }

  #apply(entry: ControlEntry): void {
    const { key, value, version } = entry;
    const known = this.#entries.get(key);
    if (known === undefined ? value === null : known.version > version) return;
    if (known?.version === version && value !== null) return;
    if (value === null) this.#entries.delete(key);
    else this.#entries.set(key, entry);
    this.#options.changed(entry);
  }
}
