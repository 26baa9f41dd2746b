import type { Encoded } from "../../encoders/encoder.ts";
import type { MessageDict } from "../../core/message_dict.ts";
import type { ThrownOnWire } from "./thrown_on_wire.ts";

/**
 * Protocol between the realm of a worker and a realm that runs actors. A run is identified by its
 * slot, a small number that is free again when the run has settled.
 *
 * @module
 */

/** Settings of a realm; they are cloned to it. */
export interface RealmSettings {
  /** URLs of the modules to import, in order. */
  readonly modules: readonly string[];
  /** The export of the first module that holds the broker. */
  readonly brokerExport: string | undefined;
  /** Messages at once. */
  readonly concurrency: number;
  /** Kind, for log lines. */
  readonly kind: "thread" | "process";
  /** Lowest level of log lines that are sent to the worker; `undefined` for none. */
  readonly logLevel: string | undefined;
}

/** Message to a realm. */
export type ToRealm =
  /** Slot, message, slot, message: a flat array is the cheapest to clone. */
  | { readonly runs: readonly (number | Encoded | MessageDict)[] }
  | { readonly interrupt: number; readonly reason: ThrownOnWire }
  | { readonly stop: true };

/** End of a run in a realm. */
export const Ending = {
  /** It returned a primitive value. */
  returned: 0,
  /** It returned a value that the encoder has encoded. */
  returnedEncoded: 1,
  /** It returned a value that no encoder can carry; the value is the reason. */
  returnedUnfit: 2,
  /** It threw. */
  threw: 3,
  /** It never began, and may begin elsewhere. */
  neverBegan: 4,
} as const;

/** Message from a realm. */
export type FromRealm =
  /** Reason for the wait during the start, for the log. */
  | { readonly booting: string }
  /** The names of its actors. */
  | { readonly ready: readonly string[] }
  | { readonly refused: ThrownOnWire }
  /** Slot, ending, value, and so on. */
  | { readonly ended: readonly unknown[] }
  | { readonly heard: number }
  | { readonly crashed: Crash }
  | { readonly log: LogLine }
  | { readonly stopped: true };

/** Last message of a realm. */
export interface Crash {
  /** Slot of the run that caused it, if that is known. */
  readonly slot: number | undefined;
  /** Description of what happened. */
  readonly how: string;
  /** The uncaught error. */
  readonly error?: ThrownOnWire;
}

/** A line for the log of the worker. */
export interface LogLine {
  /** Category of its logger. */
  readonly category: readonly string[];
  /** Level. */
  readonly level: string;
  /** The text, with placeholders. */
  readonly text: string;
  /** Properties, as far as they can be cloned. */
  readonly properties: Readonly<Record<string, unknown>>;
}

/** A message from a realm with the key that its worker gave it. */
export type Sealed = FromRealm & { readonly key: string };

/**
 * Marks the messages of the library, so that the worker ignores messages of actors, such as
 * `process.send("ready")`.
 *
 * @param post Posts a message to the worker.
 * @param key The key of this realm.
 */
export function sealed(
  post: (message: Sealed) => void,
  key: string,
): (message: FromRealm) => void {
  return (message) => post({ ...message, key });
}

/**
 * True if a message is one of the library's own.
 *
 * @param message What was received.
 * @param key The key of the realm.
 */
export function isSealed(message: unknown, key: string): message is Sealed {
  return typeof message === "object" && message !== null &&
    (message as Partial<Sealed>).key === key;
}

/** Connection to a realm. */
export interface Transport {
  /** State of the slots, if the realm shares memory with the worker. */
  readonly slots: SlotBoard | undefined;
  /** Sends a message. */
  post(message: ToRealm): void;
  /** Kills the realm. */
  kill(): void;
}

/** Listener to a realm. */
export interface TransportListener {
  received(message: FromRealm): void;
  /** The realm has ended, maybe with an uncaught error. */
  ended(how: string, error?: unknown): void;
}

const HANDED_OVER = 0;
const BEGUN = 1;
const TAKEN_BACK = 2;

/**
 * State of each slot, in memory that a worker shares with a thread. The worker can read it, and take
 * runs back, while an actor blocks the thread.
 *
 * The first cell is 1 above the slot whose actor has not reached its first `await`, or 0; the others
 * are the states of the slots.
 */
export class SlotBoard {
  /** The shared memory. */
  readonly cells: Int32Array;

  /**
   * Wraps shared memory.
   *
   * @param cells The memory, made by {@linkcode SlotBoard.create}.
   */
  constructor(cells: Int32Array) {
    this.cells = cells;
  }

  /** Makes a board for a number of slots. */
  static create(slots: number): SlotBoard {
    return new SlotBoard(
      new Int32Array(new SharedArrayBuffer((slots + 1) * Int32Array.BYTES_PER_ELEMENT)),
    );
  }

  /** Called by the worker: hands a run to the thread. */
  handOver(slot: number): void {
    Atomics.store(this.cells, slot + 1, HANDED_OVER);
  }

  /**
   * Called by the worker: takes a run back.
   *
   * @returns True if it has not begun, and will not.
   */
  takeBack(slot: number): boolean {
    return Atomics.compareExchange(this.cells, slot + 1, HANDED_OVER, TAKEN_BACK) !== BEGUN;
  }

  /** True if a run has begun. */
  hasBegun(slot: number): boolean {
    return Atomics.load(this.cells, slot + 1) === BEGUN;
  }

  /** The slot whose actor has not reached its first `await`, if any. */
  get busy(): number | undefined {
    const busy = Atomics.load(this.cells, 0);
    return busy === 0 ? undefined : busy - 1;
  }

  /**
   * Called by the thread: begins a run.
   *
   * @returns False if the run was taken back.
   */
  begin(slot: number): boolean {
    if (Atomics.compareExchange(this.cells, slot + 1, HANDED_OVER, BEGUN) !== HANDED_OVER) {
      return false;
    }
    Atomics.store(this.cells, 0, slot + 1);
    return true;
  }

  /** Called by the thread: the actor has returned a value or a promise. */
  returned(): void {
    Atomics.store(this.cells, 0, 0);
  }
}
