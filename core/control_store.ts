/** Any value of JSON but `null`, which stands for an entry that is not there. */
export type ControlValue =
  | string
  | number
  | boolean
  | readonly ControlJson[]
  | { readonly [key: string]: ControlJson };

/** Any value inside a {@linkcode ControlValue}. */
export type ControlJson = ControlValue | null;

/** One entry of a {@linkcode ControlStore}. */
export interface ControlEntry {
  /** Parts separated by `/`, the kind of the entry first: `pause/queue/default`. */
  readonly key: string;
  /** Value; `null` when the entry was removed or has expired. */
  readonly value: ControlJson;
  /** Grows with each change of the entry, also when it is removed and stored again. */
  readonly version: number;
}

/** One change of an entry. */
export interface ControlChange {
  /** The entry. */
  readonly key: string;
  /** Value to store; `null` removes the entry. */
  readonly value: ControlJson;
  /** Milliseconds after which the entry expires, by the clock of the store. @default {Infinity} */
  readonly ttl?: number;
  /**
   * Applies the changes only if the entry has this version; 0 if it is not there. Without it, the
   * change applies to whatever is there.
   */
  readonly ifVersion?: number;
  /**
   * Applies the changes only if it is at least this time by the clock of the store, in milliseconds
   * since the epoch.
   */
  readonly notBefore?: number;
}

/** Result of {@linkcode ControlStore.read}. */
export interface ControlSnapshot {
  /** The entries that were asked for and exist, by key. */
  readonly entries: readonly ControlEntry[];
  /** The time of the store, in milliseconds since the epoch. */
  readonly now: number;
}

/** Result of {@linkcode ControlStore.change}. */
export interface ControlOutcome {
  /** True if the changes were applied: all of them, or none. */
  readonly applied: boolean;
  /**
   * The entries of the changes with an `ifVersion`, as they are now, whether or not the changes were
   * applied. One that is not there has the value `null`.
   */
  readonly found: readonly ControlEntry[];
  /** The time of the store, in milliseconds since the epoch. */
  readonly now: number;
}

/** Hears of changes of entries, see {@linkcode ControlStore.watch}. */
export interface ControlListener {
  /** An entry has changed. Several changes in a row may be told as one. */
  changed(entry: ControlEntry): void;
  /** Changes may have been missed: read the entries again. */
  reset(): void;
}

/**
 * Kinds of entries that are not pushed to watchers: each worker renews its own all the time, what is
 * known of schedules changes with each tick, and marks and claims of messages concern those who run and send
 * them.
 */
export const UNWATCHED_KINDS: readonly string[] = [
  "worker",
  "specs",
  "tick",
  "run",
  "begun",
  "claim",
];

/** True if watchers are notified of changes of an entry. */
export function isWatched(key: string): boolean {
  return !UNWATCHED_KINDS.includes(key.slice(0, key.indexOf("/")));
}

/**
 * A small shared memory of the fleet: some thousand entries that every process can read, change
 * by compare-and-set, and watch. Cancellations and pauses are kept there.
 *
 * To write one: implement the four verbs and run `tests/conformance/control_store.ts` on it.
 * Connect when first used. Memory that may forget, such as memcached's, is not fit.
 *
 * Entries under `worker/`, `specs/`, `tick/`, `run/`, `begun/` and `claim/` are read and changed as all others, but are
 * not pushed to watchers.
 */
export abstract class ControlStore implements AsyncDisposable {
  /**
   * Reads entries.
   *
   * @param selection What their keys begin with, empty for all; or the keys of single entries, in an
   *   array. Single ones cost the same however many entries there are.
   * @returns The entries that exist and have not expired, and the time of the store.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract read(selection: string | readonly string[]): Promise<ControlSnapshot>;

  /**
   * Changes entries in one step: all of them, or none if an `ifVersion` or a `notBefore` does not
   * hold.
   *
   * @param changes The changes, applied in order.
   * @returns Whether they were applied, what is there now, and the time of the store.
   * @throws {TypeError} If a key is empty, or a value cannot be written as JSON.
   * @throws {RangeError} If a `ttl` is not above 0.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract change(changes: readonly ControlChange[]): Promise<ControlOutcome>;

  /**
   * Calls back when entries change, whichever process changes them, until it is disposed of. What
   * stands there already is not told: watch first, then read.
   *
   * @param prefix What the keys begin with; empty for all.
   * @param listener What to call. It must not throw.
   * @returns Ends the watch when it is disposed of.
   */
  abstract watch(prefix: string, listener: ControlListener): Disposable;

  /** Closes the store. Watchers are not called any more. */
  abstract close(): Promise<void>;

  /** Closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Reads one entry.
 *
 * @param store The control store.
 * @param key Its key.
 * @returns The entry; `undefined` if it does not exist.
 * @throws {BrokerConnectionError} If the server cannot be reached.
 */
export async function readEntry(
  store: ControlStore,
  key: string,
): Promise<ControlEntry | undefined> {
  return (await store.read([key])).entries[0];
}

/** A change as stores write it. */
export interface CheckedChange {
  readonly key: string;
  /** JSON, or `undefined` to remove the entry. */
  readonly text: string | undefined;
  readonly ttl: number;
  readonly ifVersion: number | undefined;
  readonly notBefore: number;
}

/**
 * Checks changes before any is applied.
 *
 * @param changes What a caller wants to change.
 * @returns The same, with values as JSON.
 * @throws {TypeError} If a key is empty, or a value cannot be written as JSON.
 * @throws {RangeError} If a `ttl` is not above 0.
 */
export function checkChanges(changes: readonly ControlChange[]): CheckedChange[] {
  return changes.map(({ key, value, ttl = Infinity, ifVersion, notBefore = -Infinity }) => {
    if (typeof key !== "string" || key === "") {
      throw new TypeError(`Cannot change control entry ${JSON.stringify(key)}: it needs a key`);
    }
    if (!(ttl > 0)) {
      throw new RangeError(`Cannot keep control entry "${key}" for ${ttl} ms: it must be above 0`);
    }
    const text = value === null ? undefined : JSON.stringify(value);
    if (value !== null && text === undefined) {
      throw new TypeError(
        `Cannot store ${String(value)} as control entry "${key}": it is not a JSON value`,
      );
    }
    return { key, text, ttl, ifVersion, notBefore };
  });
}
