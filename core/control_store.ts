import { stringify } from "../platform/json_values.ts";
import { showValue } from "../platform/show_value.ts";

/** Any JSON value but `null`, which is the value of a missing entry. */
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
  /** Increases with each change of the entry, even if it is removed and stored again. */
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
   * Applies the changes only if the entry has this version; 0 if it must not exist.
   *
   * @default {undefined} Any version.
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
  /** The selected entries that exist, by key. */
  readonly entries: readonly ControlEntry[];
  /** The time of the store, in milliseconds since the epoch. */
  readonly now: number;
}

/** Result of {@linkcode ControlStore.change}. */
export interface ControlOutcome {
  /** True if the changes were applied: all of them, or none. */
  readonly applied: boolean;
  /**
   * The present entries of the changes with an `ifVersion`, whether or not the changes were applied. A
   * missing entry has the value `null`.
   */
  readonly found: readonly ControlEntry[];
  /** The time of the store, in milliseconds since the epoch. */
  readonly now: number;
}

/** Listener to changes of entries, see {@linkcode ControlStore.watch}. */
export interface ControlListener {
  /** An entry has changed. Several changes in a row may be reported as one. */
  changed(entry: ControlEntry): void;
  /** Changes may have been missed: read the entries again. */
  reset(): void;
}

/**
 * Kinds of entries that are not pushed to watchers: workers renew their own all the time, states of schedules
 * change with each tick, and marks and claims of messages concern only their workers and senders.
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
 * A small store that all processes of a fleet share: some thousand entries to read, change by
 * compare-and-set, and watch. It contains, for example, cancellations and pauses.
 *
 * To write one: implement the four methods and run `tests/conformance/control_store.ts` on it. Connect when
 * first used. It must not lose entries, as memcached does.
 *
 * Entries under `worker/`, `specs/`, `tick/`, `run/`, `begun/` and `claim/` are read and changed like others, but
 * not pushed to watchers.
 */
export abstract class ControlStore implements AsyncDisposable {
  /**
   * Reads entries.
   *
   * @param selection Prefix of their keys, empty for all; or an array with the keys of single entries,
   *   whose cost does not depend on the number of entries.
   * @returns The entries that exist and have not expired, and the time of the store.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract read(selection: string | readonly string[]): Promise<ControlSnapshot>;

  /**
   * Changes entries in one step: all of them, or none if the condition of an `ifVersion` or a `notBefore` is
   * not met.
   *
   * @param changes The changes, applied in order.
   * @returns Whether they were applied, the present entries, and the time of the store.
   * @throws {TypeError} If a key is empty, or a value cannot be written as JSON.
   * @throws {RangeError} If a `ttl` is not above 0.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract change(changes: readonly ControlChange[]): Promise<ControlOutcome>;

  /**
   * Calls back when any process changes entries. Existing entries are not reported: watch first, then
   * read.
   *
   * @param prefix Prefix of the keys; empty for all.
   * @param listener The callbacks, which must not throw.
   * @returns Ends the watch when disposed.
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

/** A checked change, with its value as JSON. */
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
 * @param changes The changes.
 * @returns The changes, with values as JSON.
 * @throws {TypeError} If a key is empty, or a value cannot be written as JSON.
 * @throws {RangeError} If a `ttl` is not above 0.
 */
export function checkChanges(changes: readonly ControlChange[]): CheckedChange[] {
  return changes.map(({ key, value, ttl = Infinity, ifVersion, notBefore = -Infinity }) => {
    if (typeof key !== "string" || key === "") {
      throw new TypeError(`Cannot change control entry ${showValue(key)}: it needs a key`);
    }
    if (!(ttl > 0)) {
      throw new RangeError(`Cannot keep control entry "${key}" for ${ttl} ms: it must be above 0`);
    }
    const text = value === null ? undefined : stringify(value);
    if (value !== null && text === undefined) {
      throw new TypeError(
        `Cannot store ${String(value)} as control entry "${key}": it is not a JSON value`,
      );
    }
    return { key, text, ttl, ifVersion, notBefore };
  });
}
