import type { Encoded } from "../../encoders/encoder.ts";
import type { MessageDict } from "../../core/message_dict.ts";
import type { ThrownOnWire } from "./thrown_on_wire.ts";

/**
 * Protocol between the realm of a worker and a realm that runs actors. Runs go by
 * their slot: a small number, taken again when the run before has settled.
 *
 * @module
 */

/** Settings of a realm. It crosses as it is. */
export interface RealmSettings {
  /** URLs of the modules to import, in order. */
  readonly modules: readonly string[];
  /** The export of the first module that holds the broker. */
  readonly brokerExport: string | undefined;
  /** Messages at once. */
  readonly concurrency: number;
  /** Kind, for log lines. */
  readonly kind: "thread" | "process";
  /** The least level of what its log sends over; `undefined` for silence. */
  readonly logLevel: string | undefined;
}

/** From the worker. */
export type ToRealm =
  /** Slot, message, slot, message: flat, which is the cheapest to clone. */
  | { readonly runs: readonly (number | Encoded | MessageDict)[] }
  | { readonly interrupt: number; readonly reason: ThrownOnWire }
  | { readonly stop: true };

/** End of a run in a realm. */
export const Ending = {
  /** It returned something that crosses as it is. */
  returned: 0,
  /** It returned something that the encoder wrote. */
  returnedEncoded: 1,
  /** It returned something that no encoder can carry; the value says why. */
  returnedUnfit: 2,
  /** It threw. */
  threw: 3,
  /** It never began, and may begin elsewhere. */
  neverBegan: 4,
} as const;

/** From the realm. */
export type FromRealm =
  /** The names of its actors. */
  | { readonly ready: readonly string[] }
  | { readonly refused: ThrownOnWire }
  /** Slot, ending, value, and so on. */
  | { readonly ended: readonly unknown[] }
  | { readonly heard: number }
  | { readonly crashed: Crash }
  | { readonly log: LogLine }
  | { readonly stopped: true };

/** The last words of a realm. */
export interface Crash {
  /** Whose doing it was, if that is known. What a run left behind cannot be told. */
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
 * Marks the messages of the library: what an actor posts to the parent by itself, as
 * `process.send("ready")` does, is not for the worker.
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

/** The way to a realm. */
export interface Transport {
  /** State that both sides see at any time, where memory can be shared. */
  readonly slots: SlotBoard | undefined;
  /** Sends a message. */
  post(message: ToRealm): void;
  /** Ends the realm by force. */
  kill(): void;
}

/** Listener to a realm. */
export interface TransportListener {
  /** It sent a message. */
  received(message: FromRealm): void;
  /** It has ended, maybe with an uncaught error. */
  ended(how: string, error?: unknown): void;
}

const HANDED_OVER = 0;
const BEGUN = 1;
const TAKEN_BACK = 2;

/**
 * State of each slot, in memory that a worker shares with a thread: it can be read,
 * and runs can be taken back, while the thread computes and hears nothing.
 *
 * The first cell holds the slot whose actor has the thread for itself, in the part
 * before its first `await`; the others hold the states of the slots.
 */
export class SlotBoard {
  /** To be sent to the thread. */
  readonly cells: Int32Array;

  /**
   * Looks at shared cells.
   *
   * @param cells Of the other side, or made by {@linkcode SlotBoard.create}.
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

  /** The worker gives a run to the thread. */
  handOver(slot: number): void {
    Atomics.store(this.cells, slot + 1, HANDED_OVER);
  }

  /**
   * The worker wants it back.
   *
   * @returns Whether it has not begun, and will not.
   */
  takeBack(slot: number): boolean {
    return Atomics.compareExchange(this.cells, slot + 1, HANDED_OVER, TAKEN_BACK) !== BEGUN;
  }

  /** True if a run has begun. */
  hasBegun(slot: number): boolean {
    return Atomics.load(this.cells, slot + 1) === BEGUN;
  }

  /** The slot whose actor has not come to its first `await` yet, if any. */
  get busy(): number | undefined {
    const busy = Atomics.load(this.cells, 0);
    return busy === 0 ? undefined : busy - 1;
  }

  /**
   * The thread begins a run.
   *
   * @returns Whether it may.
   */
  begin(slot: number): boolean {
    if (Atomics.compareExchange(this.cells, slot + 1, HANDED_OVER, BEGUN) !== HANDED_OVER) {
      return false;
    }
    Atomics.store(this.cells, 0, slot + 1);
    return true;
  }

  /** The actor has returned, at least a promise. */
  gaveTheThreadBack(): void {
    Atomics.store(this.cells, 0, 0);
  }
}
