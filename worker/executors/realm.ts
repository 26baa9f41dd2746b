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

/** Owner of a realm: its executor. */
export interface RealmOwner {
  /** It is ready; these are its actors. */
  ready(realm: Realm, actorNames: readonly string[]): void;
  /** It could not begin, and is gone. */
  refused(realm: Realm, error: unknown): void;
  /** A run has heard of its interrupt. */
  heard(run: Run): void;
  /** A run has ended: forget what was to happen to it. */
  ended(run: Run): void;
  /** A run never began. */
  neverBegan(run: Run): void;
  /** There is room again. */
  roomMade(): void;
  /** It is gone, or about to go, by its own doing. */
  crashed(realm: Realm, crash: Crash): void;
}

/** Milliseconds that a realm gets for its hooks and connections when it stops. */
const STOPPING = 2_000;

/** A slot whose run has been settled, though the actor has not. */
const LEFT_ALONE = /* @__PURE__ */ Symbol("left alone");

/**
 * One thread or process, as the worker sees it:
 *
 * booting ─▶ ready ─▶ stopping ─▶ over
 *    └─────────┴─────────┴──▶ over (killed, refused or crashed)
 *
 * What is handed to it in one turn of the event loop crosses together.
 */
export class Realm {
  readonly #owner: RealmOwner;
  readonly #channel: Transport;
  readonly #errorClasses: readonly ErrorClass[];
  readonly #slots: (Run | typeof LEFT_ALONE | undefined)[];
  readonly #free: number[];
  #unsent: (number | Encoded | MessageDict)[] = [];
  #state: "booting" | "ready" | "stopping" | "over" = "booting";
  readonly #stopped: PromiseWithResolvers<void> = Promise.withResolvers();

  /**
   * Opens a realm.
   *
   * @param owner Who hears of it.
   * @param concurrency How many runs it takes at once.
   * @param errorClasses Classes that its errors may be of, besides those of the actor.
   * @param open Opens the channel to it.
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

  /** Number of runs it has. */
  get load(): number {
    return this.#slots.length - this.#free.length;
  }

  /** True if it takes another run. */
  get hasRoom(): boolean {
    return this.#state === "ready" && this.#free.length > 0;
  }

  /** Hands a run to it; `flush` sends it. */
  hand(run: Run): void {
    const slot = this.#free.pop()!;
    this.#slots[slot] = run;
    this.#channel.slots?.handOver(slot);
    this.#unsent.push(slot, forRealm(run.message.message));
  }

  /** Sends what was handed to it. */
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

  /** True if a run is here. */
  has(run: Run): boolean {
    return this.#slots.includes(run);
  }

  /**
   * Takes back a run that has not begun.
   *
   * @returns Whether that could be done. It cannot where memory is not shared.
   */
  takeBack(run: Run): boolean {
    const slot = this.#slots.indexOf(run);
    if (this.#channel.slots?.takeBack(slot) !== true) return false;
    this.#slots[slot] = LEFT_ALONE;
    return true;
  }

  /** Has the signal of a run abort. */
  interrupt(run: Run, reason: Interrupt): void {
    this.flush();
    this.#channel.post({ interrupt: this.#slots.indexOf(run), reason: toWire(reason) });
  }

  /** Leaves a run to itself: it keeps its slot until its actor has settled. */
  leaveAlone(run: Run): void {
    this.#slots[this.#slots.indexOf(run)] = LEFT_ALONE;
  }

  /** The runs that have begun; where memory is not shared, all that may have. */
  get begun(): Run[] {
    const { slots } = this.#channel;
    return this.#runs().filter((run) => slots?.hasBegun(this.#slots.indexOf(run)) ?? true);
  }

  /** The run whose actor computes and has not come to its first `await`, if that is known. */
  get busy(): Run | undefined {
    const slot = this.#channel.slots?.busy;
    const run = slot === undefined ? undefined : this.#slots[slot];
    return run === LEFT_ALONE ? undefined : run;
  }

  /**
   * Stops it: asks first, and ends it when it has done what it had to, or does not answer.
   *
   * @returns Whether it did, as far as it was asked.
   */
  async stop(): Promise<boolean> {
    let hasAnswered = true;
    if (this.#state === "ready") {
      this.#state = "stopping";
      this.#channel.post({ stop: true });
      const timer = setTimeout(() => {
        hasAnswered = false;
        this.#stopped.resolve();
      }, STOPPING);
      await this.#stopped.promise;
      clearTimeout(timer);
    }
    for (const run of this.kill()) run.fail(new WorkerLost("The worker has stopped"));
    return hasAnswered;
  }

  /**
   * Ends it by force.
   *
   * @returns What was in it.
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
    return this.#slots.filter((run) => run !== undefined && run !== LEFT_ALONE);
  }

  #received(message: FromRealm): void {
    if (this.#state === "over") return;
    if ("ended" in message) return this.#ended(message.ended);
    if ("heard" in message) {
      const run = this.#slots[message.heard];
      if (run !== undefined && run !== LEFT_ALONE) this.#owner.heard(run);
    } else if ("log" in message) {
      writeLog(message.log);
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
      if (run === undefined || run === LEFT_ALONE) continue;
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
    return run === LEFT_ALONE ? undefined : run;
  }

  /** Sends what could not be cloned with the others; the one that is the reason fails. */
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

/** A result that no encoder carries; encoding it throws the same error as inline. */
class UnfitResult {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A message as it was received crosses fastest; one that a middleware changed, as an object. */
function forRealm(message: Message): Encoded | MessageDict {
  const { encoded } = message;
  if (encoded === undefined) return message.asDict();
  if (typeof encoded === "string") return encoded;
  // To clone bytes takes several times as long as text, and clones all of their buffer.
  return getEncoder() instanceof JSONEncoder ? toText(encoded) : encoded.slice();
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
