import { type Clock, systemClock } from "../../platform/clock.ts";
import {
  checkChanges,
  type CheckedChange,
  type ControlChange,
  type ControlEntry,
  type ControlJson,
  type ControlListener,
  type ControlOutcome,
  type ControlSnapshot,
  ControlStore,
  isWatched,
} from "../../core/control_store.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { Watchers } from "../watchers.ts";

/** Options for {@linkcode StubControlStore}. */
export interface StubControlStoreOptions {
  /** The clock by which entries expire. @default {systemClock} */
  clock?: Clock;
}

const KNOWN_OPTIONS: KnownOptions<StubControlStoreOptions> = { clock: "Clock" };

/** A stored entry. The value is JSON, so that callers share no object with the store. */
interface StoredEntry {
  readonly text: string;
  readonly version: number;
  readonly expiresAt: number;
}

/**
 * A control store in the memory of this process. `StubBroker` uses it.
 *
 * Expired entries are removed, and reported to watchers, when the store is used next.
 *
 * @example Change an entry unless another process has
 * ```ts
 * import { StubControlStore } from "@dq/dramatiq";
 *
 * await using store = new StubControlStore();
 * const first = await store.change([{ key: "leader", value: "a", ifVersion: 0 }]);
 * const second = await store.change([{ key: "leader", value: "b", ifVersion: 0 }]);
 * console.log(first.applied, second.applied, second.found[0]?.value); // true false a
 * ```
 */
export class StubControlStore extends ControlStore {
  readonly #clock: Clock;
  readonly #entries: Map<string, StoredEntry> = new Map();
  readonly #watchers: Watchers = new Watchers();
  /** When the first entry expires. */
  #nextExpiry = Infinity;
  #version = 0;
  #isClosed = false;

  /**
   * Makes an empty store.
   *
   * @param options The clock.
   */
  constructor(options: StubControlStoreOptions = {}) {
    super();
    assertKnownOptions("StubControlStore", options, KNOWN_OPTIONS);
    this.#clock = options.clock ?? systemClock;
  }

  /** Reads the entries whose keys begin with a prefix, or have one of several keys. */
  // deno-lint-ignore require-await -- so that errors reject
  async read(selection: string | readonly string[]): Promise<ControlSnapshot> {
    const now = this.#use("read");
    const keys = typeof selection === "string"
      ? [...this.#entries.keys()].filter((key) => key.startsWith(selection))
      : [...new Set(selection)].filter((key) => this.#entries.has(key));
    return { entries: keys.toSorted().map((key) => this.#entry(key)), now };
  }

  /** Changes entries, all or none. */
  // deno-lint-ignore require-await -- so that errors reject
  async change(changes: readonly ControlChange[]): Promise<ControlOutcome> {
    const checked = checkChanges(changes);
    const now = this.#use("change");
    const applied = checked.every(({ key, ifVersion, notBefore }) =>
      now >= notBefore &&
      (ifVersion === undefined || (this.#entries.get(key)?.version ?? 0) === ifVersion)
    );
    if (applied) { for (const change of checked) this.#apply(change, now); }
    return { applied, now, found: this.#find(checked) };
  }

  /** Calls back when entries change. */
  watch(prefix: string, listener: ControlListener): Disposable {
    return this.#watchers.add(prefix, listener);
  }

  /** Removes all entries and watchers. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#watchers.clear();
    this.#entries.clear();
    return Promise.resolve();
  }

  #find(changes: readonly CheckedChange[]): ControlEntry[] {
    return changes.filter(({ ifVersion }) => ifVersion !== undefined)
      .map(({ key }) => this.#entry(key));
  }

  #entry(key: string): ControlEntry {
    const { text = "null", version = 0 } = this.#entries.get(key) ?? {};
    return { key, value: JSON.parse(text) as ControlJson, version };
  }

  #apply({ key, text, ttl }: CheckedChange, now: number): void {
    if (text === undefined) return this.#remove(key);
    const version = ++this.#version;
    const expiresAt = now + ttl;
    this.#entries.set(key, { text, version, expiresAt });
    this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
    if (!isWatched(key)) return;
    this.#watchers.changed({ key, value: JSON.parse(text) as ControlJson, version });
  }

  #remove(key: string): void {
    if (!this.#entries.delete(key)) return;
    const version = ++this.#version;
    if (isWatched(key)) this.#watchers.changed({ key, value: null, version });
  }

  /** Removes expired entries. @returns The time. */
  #use(what: string): number {
    if (this.#isClosed) {
      const reason = `Cannot ${what} control entries: the store is closed`;
      throw new ConnectionClosed(reason, { delivery: "none" });
    }
    const now = this.#clock.now();
    if (now < this.#nextExpiry) return now;
    this.#nextExpiry = Infinity;
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt <= now) this.#remove(key);
      else this.#nextExpiry = Math.min(this.#nextExpiry, expiresAt);
    }
    return now;
  }
}
