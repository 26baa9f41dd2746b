import type { ControlChange, ControlEntry } from "../core/control_store.ts";
import {
  fromTickState,
  TICK_PREFIX,
  TICK_TTL,
  type TickState,
  toTickState,
  type VersionedState,
} from "./schedule_state.ts";

/** Last known version of the entry `tick/<name>` of a schedule. */
export class TickEntry {
  /** Key of the entry. */
  readonly key: string;
  #known: VersionedState = { state: undefined, version: 0 };

  /** @param name The schedule. */
  constructor(name: string) {
    this.key = TICK_PREFIX + name;
  }

  /** The state; `undefined` if there is none. */
  get state(): TickState | undefined {
    return this.#known.state;
  }

  /** The version of the entry; 0 if there is none. */
  get version(): number {
    return this.#known.version;
  }

  /** Updates it from a read. @returns False if a later version is known. */
  learn(entry: ControlEntry): boolean {
    if (entry.version < this.#known.version) return false;
    this.replace(entry);
    return true;
  }

  /**
   * Updates it from the outcome of a change, also to a lower version: the store may have lost data.
   */
  replace(entry: ControlEntry): void {
    this.#known = toTickState(entry);
  }

  /**
   * Makes a change that is applied only if the known version is current.
   *
   * @param state The next state.
   * @param notBefore The earliest time, by the clock of the store.
   */
  changeTo(state: TickState, notBefore: number): ControlChange {
    const { key, version: ifVersion } = this;
    return { key, value: fromTickState(state), ttl: TICK_TTL, ifVersion, notBefore };
  }
}
