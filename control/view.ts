import { type Clock, pause } from "../platform/clock.ts";
import type { ControlEntry, ControlStore } from "../core/control_store.ts";
import { getLogger } from "../platform/logging.ts";
import { retryDelay } from "../platform/retry_delay.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("control");

/** Options of a {@linkcode ControlView}. */
export interface ControlViewOptions {
  readonly store: ControlStore;
  /** The time that its retries wait by. */
  readonly clock: Clock;
  /** Key prefixes of the entries that it knows. */
  readonly prefixes: readonly string[];
  /** Called for each entry that is, or becomes, another one; its value is `null` once it is gone. */
  changed(entry: ControlEntry): void;
  /** Called with the time of the store each time that the entries were read. */
  read?(now: number): void;
}

/**
 * The entries of a control store as one process knows them: read once, then kept up to date by
 * what the store tells. While the store cannot be reached, what was known last goes on.
 *
 * Entries are taken by their versions: what is told while they are being read may be older.
 */
export class ControlView {
  readonly #options: ControlViewOptions;
  readonly #entries: Map<string, ControlEntry> = new Map();
  readonly #ready: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #stopped: AbortController = new AbortController();
  /** Changes announced while entries are being read. */
  #told: ControlEntry[] | undefined;
  /** True if they are to be read once more. */
  #isOutdated = false;
  #watch: Disposable | undefined;

  /**
   * Stores the options; `start` begins.
   *
   * @param options What it knows of which store.
   */
  constructor(options: ControlViewOptions) {
    this.#options = options;
  }

  /** Resolves when the entries were read for the first time, or the view is stopped. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Begins to watch, and reads. */
  start(): void {
    const { store, prefixes } = this.#options;
    this.#watch = store.watch("", {
      changed: (entry) => {
        if (!prefixes.some((prefix) => entry.key.startsWith(prefix))) return;
        if (this.#told === undefined) this.#apply(entry);
        else this.#told.push(entry);
      },
      reset: () => this.#readSoon(),
    });
    this.#readSoon();
  }

  /** Watches no more. */
  stop(): void {
    this.#watch?.[Symbol.dispose]();
    this.#stopped.abort();
    this.#ready.resolve();
  }

  #readSoon(): void {
    this.#isOutdated = true;
    if (this.#told === undefined) void this.#read();
  }

  /** Reads until nothing was missed. Never rejects. */
  async #read(): Promise<void> {
    const { signal } = this.#stopped;
    this.#told = [];
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
    const told = this.#told;
    this.#told = undefined;
    for (const entry of told) this.#apply(entry);
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
