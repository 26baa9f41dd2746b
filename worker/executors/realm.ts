import { Buffer } from "node:buffer";
import type { ErrorClass } from "../../core/actor_options.ts";
import { type Encoded, getEncoder, JSONEncoder } from "../../encoders/encoder.ts";
import { type Interrupt, WorkerLost } from "../../core/interrupt.ts";
import type { Message } from "../../core/message.ts";
import type { MessageDict } from "../../core/message_dict.ts";
import { packageAdvice } from "../../platform/missing_package.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Run } from "./executor.ts";
import { writeLog } from "./realm_log.ts";
import {
  type Crash,
  Ending,
  type FromRealm,
  type Transport,
  type TransportListener,
} from "./realm_protocol.ts";
import { fromWire, type ThrownOnWire, toWire } from "./thrown_on_wire.ts";

/** The pool that owns a realm. */
export interface RealmOwner {
  /** The realm is ready, and declares these actors. */
  ready(realm: Realm, actorNames: readonly string[]): void;
  /** The realm could not start, and has ended. */
  refused(realm: Realm, error: unknown): void;
  /** The realm has confirmed the interrupt of a run. */
  heard(run: Run): void;
  /** A run has ended: called before its `succeed` or `fail`. */
  ended(run: Run): void;
  /** A run was taken back, or refused, before it began. */
  neverBegan(run: Run): void;
  /** The realm has room for another run. */
  roomMade(): void;
  /** The realm has ended by itself, or is about to. */
  crashed(realm: Realm, crash: Crash): void;
}

/** Milliseconds that a realm gets for its hooks and connections when it stops. */
const STOP_TIMEOUT = 2_000;

/** Content of a slot whose actor still runs, though its run was abandoned. */
const ABANDONED = /* @__PURE__ */ Symbol("abandoned");

/**
 * One thread or process, in the realm of the worker:
 *
 * booting ─▶ ready ─▶ stopping ─▶ over
 *    └─────────┴─────────┴──▶ over (killed, refused or crashed)
 *
 * Runs that are handed over in one turn of the event loop are posted together.
 */
export class Realm {
  readonly #owner: RealmOwner;
  readonly #channel: Transport;
  readonly #errorClasses: readonly ErrorClass[];
  readonly #slots: (Run | typeof ABANDONED | undefined)[];
  readonly #free: number[];
  #unsent: (number | Encoded | MessageDict)[] = [];
  #state: "booting" | "ready" | "stopping" | "over" = "booting";
  readonly #stopped: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Reason for the wait during the start, for the log. */
  bootStep: string | undefined;

  /**
   * Starts a realm.
   *
   * @param owner The pool.
   * @param concurrency Number of messages that it runs at once.
   * @param errorClasses Classes of errors to restore, besides those of the actor.
   * @param open Starts the thread or process.
   */
  constructor(
    owner: RealmOwner,
    concurrency: number,
    errorClasses: readonly ErrorClass[],
    open: (listener: TransportListener) => Transport,
  ) {
    this.#owner = owner;
    this.#errorClasses = errorClasses;
    this.#slots = new Array(concurrency).fill(undefined);
    this.#free = Array.from({ length: concurrency }, (_, i) => concurrency - 1 - i);
    this.#channel = open({
      received: (message) => this.#received(message),
      ended: (how, error) =>
        this.#crashed({
          slot: undefined,
          how,
          ...(error !== undefined && { error: toWire(error) }),
        }),
    });
  }

  /** Number of its runs, abandoned ones included. */
  get load(): number {
    return this.#slots.length - this.#free.length;
  }

  /** True if it is starting. */
  get isBooting(): boolean {
    return this.#state === "booting";
  }

  /** True if it has room for another run. */
  get hasRoom(): boolean {
    return this.#state === "ready" && this.#free.length > 0;
  }

  /** Hands a run over; `flush` posts it. */
  hand(run: Run): void {
    const slot = this.#free.pop()!;
    this.#slots[slot] = run;
    this.#channel.slots?.handOver(slot);
    this.#unsent.push(slot, forRealm(run.message.message));
  }

  /** Posts the runs that were handed over. */
  flush(): void {
    if (this.#unsent.length === 0) return;
    const runs = this.#unsent;
    this.#unsent = [];
    if (this.#state !== "ready") return;
    try {
      this.#channel.post({ runs });
    } catch {
      for (let i = 0; i < runs.length; i += 2) this.#sendAlone(runs[i] as number, runs[i + 1]!);
    }
  }

  /** True if it has a run. */
  has(run: Run): boolean {
    return this.#slots.includes(run);
  }

  /**
   * Takes back a run that has not begun.
   *
   * @returns Whether it was taken back; always false for a process, which shares no memory.
   */
  takeBack(run: Run): boolean {
    const slot = this.#slots.indexOf(run);
    if (this.#channel.slots?.takeBack(slot) !== true) return false;
    this.#slots[slot] = ABANDONED;
    return true;
  }

  /** Aborts the signal of a run. */
  interrupt(run: Run, reason: Interrupt): void {
    this.flush();
    this.#channel.post({ interrupt: this.#slots.indexOf(run), reason: toWire(reason) });
  }

  /** Abandons a run, whose slot stays taken until its actor has settled. */
  abandon(run: Run): void {
    this.#slots[this.#slots.indexOf(run)] = ABANDONED;
  }

  /** The runs that have begun; of a process, which shares no memory, all runs. */
  get begun(): Run[] {
    const { slots } = this.#channel;
    return this.#runs().filter((run) => slots?.hasBegun(this.#slots.indexOf(run)) ?? true);
  }

  /** The run whose actor blocks the thread before its first `await`, if that is known. */
  get busy(): Run | undefined {
    const slot = this.#channel.slots?.busy;
    const run = slot === undefined ? undefined : this.#slots[slot];
    return run === ABANDONED ? undefined : run;
  }

  /**
   * Asks the realm to stop, and ends it when it has, or after two seconds.
   *
   * @returns False if it did not answer.
   */
  async stop(): Promise<boolean> {
    let hasAnswered = true;
    if (this.#state === "ready") {
      this.#state = "stopping";
      this.#channel.post({ stop: true });
      const timer = setTimeout(() => {
        hasAnswered = false;
        this.#stopped.resolve();
      }, STOP_TIMEOUT);
      await this.#stopped.promise;
      clearTimeout(timer);
    }
    for (const run of this.kill()) run.fail(new WorkerLost("The worker has stopped"));
    return hasAnswered;
  }

  /**
   * Kills the realm.
   *
   * @returns Its runs.
   */
  kill(): Run[] {
    if (this.#state === "over") return [];
    this.#state = "over";
    this.#channel.kill();
    this.#stopped.resolve();
    const runs = this.#runs();
    this.#slots.fill(undefined);
    return runs;
  }

  #runs(): Run[] {
    return this.#slots.filter((run) => run !== undefined && run !== ABANDONED);
  }

  #received(message: FromRealm): void {
    if (this.#state === "over") return;
    if ("ended" in message) return this.#ended(message.ended);
    if ("heard" in message) {
      const run = this.#slots[message.heard];
      if (run !== undefined && run !== ABANDONED) this.#owner.heard(run);
    } else if ("log" in message) {
      writeLog(message.log);
    } else if ("booting" in message) {
      this.bootStep = message.booting;
    } else if ("ready" in message) {
      this.#state = "ready";
      this.#owner.ready(this, message.ready);
    } else if ("refused" in message) {
      this.kill();
      this.#owner.refused(this, fromWire(message.refused));
    } else if ("crashed" in message) {
      this.#crashed(message.crashed);
    } else {
      this.#stopped.resolve();
    }
  }

  #ended(ended: readonly unknown[]): void {
    for (let i = 0; i < ended.length; i += 3) {
      const slot = ended[i] as number;
      const run = this.#slots[slot];
      this.#slots[slot] = undefined;
      this.#free.push(slot);
      if (run === undefined || run === ABANDONED) continue;
      if (ended[i + 1] === Ending.neverBegan) {
        this.#owner.neverBegan(run);
        continue;
      }
      this.#owner.ended(run);
      this.#settle(run, ended[i + 1] as number, ended[i + 2]);
    }
    this.#owner.roomMade();
  }

  #settle(run: Run, ending: number, value: unknown): void {
    switch (ending) {
      case Ending.returned:
        return run.succeed(value);
      case Ending.returnedEncoded: {
        const encoder = getEncoder();
        const decode = encoder.decodeExactly ?? encoder.decode;
        return run.succeed(decode.call(encoder, value as Encoded));
      }
      case Ending.returnedUnfit:
        return run.succeed(new UnfitResult(value as string));
      default: {
        const { throws } = run.actor.options as { throws?: ErrorClass | ErrorClass[] };
        const known = [...this.#errorClasses, ...[throws ?? []].flat()];
        return run.fail(fromWire(value as ThrownOnWire, known));
      }
    }
  }

  #crashed(crash: Crash): void {
    if (this.#state === "over") return;
    if (this.#state === "stopping") {
      this.kill();
      return;
    }
    if (this.#state === "booting") {
      this.kill();
      const cause = crash.error === undefined ? undefined : fromWire(crash.error);
      const reason = cause === undefined ? "" : `: ${errorMessage(cause)}${packageAdvice(cause)}`;
      this.#owner.refused(this, new Error(`${crash.how}${reason}`, { cause }));
      return;
    }
    this.#owner.crashed(this, crash);
  }

  /** The run in a slot, if any. */
  at(slot: number): Run | undefined {
    const run = this.#slots[slot];
    return run === ABANDONED ? undefined : run;
  }

  /** Posts one run, after a batch that could not be cloned; fails it if it is the culprit. */
  #sendAlone(slot: number, message: number | Encoded | MessageDict): void {
    try {
      this.#channel.post({ runs: [slot, message] });
    } catch (error) {
      const run = this.at(slot);
      this.#slots[slot] = undefined;
      this.#free.push(slot);
      run?.fail(error);
    }
  }
}

/** Result that no encoder can carry: encoding it throws the same error as with `InlineExecutor`. */
class UnfitResult {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** The encoded message, which is fastest to clone; a message that middleware changed, as an object. */
function forRealm(message: Message): Encoded | MessageDict {
  const { encoded } = message;
  if (encoded === undefined) return message.asDict();
  if (typeof encoded === "string") return encoded;
  // Bytes take several times as long to clone as text, and all of their buffer is cloned.
  return getEncoder() instanceof JSONEncoder ? toText(encoded) : encoded.slice();
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
