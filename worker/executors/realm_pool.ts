import type { ErrorClass } from "../../core/actor_options.ts";
import type { Broker } from "../../core/broker.ts";
import type { Timer } from "../../core/clock.ts";
import { ActorCrashed, DramatiqError } from "../../core/errors.ts";
import { Fifo } from "../../core/fifo.ts";
import { type Interrupt, TimeLimitExceeded, WorkerLost } from "../../core/interrupt.ts";
import { about, getLogger } from "../../core/logging.ts";
import { errorMessage } from "../../core/thrown.ts";
import type { Executor, Run } from "./executor.ts";
import { Realm, type RealmOwner } from "./realm.ts";
import { leastLogLevel } from "./realm_log.ts";
import { toSpecifier } from "./realm_modules.ts";
import type { RealmOptions } from "./realm_options.ts";
import type { Channel, ChannelListener, Crash, RealmSettings } from "./realm_protocol.ts";
import { fromWire } from "./thrown_on_wire.ts";

const log = getLogger("worker", "executor");

/** Milliseconds that a realm gets to answer an interrupt, at least. */
const HEARING = 250;
/** Milliseconds that a realm gets for its hooks and connections when it stops. */
const STOPPING = 2_000;
/** Milliseconds before another realm is tried when one could not begin; doubles each time. */
const FIRST_BACKOFF = 100;
const LONGEST_BACKOFF = 10_000;
/** Realms in a row that could not begin, after which the process had better be replaced. */
const MAX_REFUSALS = 5;

/** What makes realms of one kind. */
export interface RealmKind {
  /** What a realm is. */
  readonly name: "thread" | "process";
  /** Several of them. */
  readonly plural: string;
  /** Whether one can be ended that computes and hears nothing. */
  readonly canEndBusy: boolean;
  /** Opens one. */
  open(settings: RealmSettings, listener: ChannelListener): Channel;
}

/** What is to happen to a run that was interrupted. */
interface Stop {
  readonly reason: Interrupt;
  readonly grace: number;
  readonly endsAt: number;
  timer: Timer;
  /** Whether its realm has said that the signal was aborted. */
  isHeard: boolean;
}

/**
 * Runs actors in realms of their own, and replaces realms that they bring down.
 *
 * A run waits until a realm has room, which it only has to while realms are starting;
 * then it goes to the realm with the least to do.
 *
 * waiting ─▶ handed over ─▶ begun ─▶ ended
 *    ▲            └──────────┴─▶ its realm is lost: offender ─▶ fails
 *    ├─────────────────────────────────────────── innocent
 *    └── alone, in a realm of its own ◀────────── suspect
 *
 * Who is to blame for a lost realm? At a time limit the run that is past it, if the realm
 * still answers or is known to compute for this very run. Else the one in whose context
 * `process.exit()` was called, or the error came up. Else the one that was alone. If
 * none of this tells, all that had begun are suspects: they run again one by one, each
 * alone in a realm, and the one that brings that down is to blame.
 *
 * Innocents and suspects keep their retry count, and get their time limit anew.
 */
export class RealmPool implements Executor {
  /** How many messages it runs at once, in all realms together. */
  readonly concurrency: number;
  /**
   * Resolves, with the reason, when this process should be replaced: a thread keeps
   * computing and cannot be ended, or realms do not start any more. Pending until then.
   */
  readonly retired: Promise<string>;
  readonly #kind: RealmKind;
  readonly #count: number;
  readonly #settings: Omit<RealmSettings, "logLevel">;
  readonly #errorClasses: readonly ErrorClass[];
  readonly #retire: (reason: string) => void;
  #broker: Broker | undefined;
  /** Those that take any run. */
  #realms: Realm[] = [];
  /** The one for suspects, while there are any. */
  #cell: Realm | undefined;
  readonly #waiting: Fifo<Run> = new Fifo();
  readonly #suspects: Fifo<Run> = new Fifo();
  readonly #stops: Map<Run, Stop> = new Map();
  readonly #boots: Map<Realm, PromiseWithResolvers<readonly string[]>> = new Map();
  #refusals = 0;
  #backoff: ReturnType<typeof setTimeout> | undefined;
  #willFlush = false;
  #isStopping = false;
  /** What realms see of this pool. */
  readonly #owner: RealmOwner = {
    ready: (realm, actorNames) => this.#ready(realm, actorNames),
    refused: (realm, error) => this.#refused(realm, error),
    heard: (run) => this.#heard(run),
    ended: (run) => this.#ended(run),
    neverBegan: (run) => this.#neverBegan(run),
    roomMade: () => this.#roomMade(),
    crashed: (realm, crash) => this.#crashed(realm, crash),
  };

  /**
   * Stores and checks the options.
   *
   * @param kind What a realm is.
   * @param count How many there are.
   * @param options What they run.
   * @throws {TypeError} If no module is named, or one by a relative path.
   * @throws {RangeError} If `count` or `concurrency` is not a whole number above 0.
   */
  constructor(kind: RealmKind, count: number, options: RealmOptions) {
    const { modules, brokerExport, concurrency = 8, errorClasses = [] } = options;
    for (const [what, number] of [[kind.plural, count], ["messages at once", concurrency]]) {
      if (Number.isSafeInteger(number) && number as number >= 1) continue;
      throw new RangeError(`Cannot run ${number} ${what}: it must be a whole number above 0`);
    }
    if (!Array.isArray(modules) || modules.length === 0) {
      throw new TypeError(
        `Cannot run actors in ${kind.plural}: name the modules that declare them (modules)`,
      );
    }
    this.concurrency = count * concurrency;
    this.#kind = kind;
    this.#count = count;
    this.#errorClasses = errorClasses;
    this.#settings = {
      modules: modules.map(toSpecifier),
      brokerExport,
      concurrency,
      kind: kind.name,
    };
    const { promise, resolve } = Promise.withResolvers<string>();
    this.retired = promise;
    this.#retire = resolve;
  }

  /**
   * Starts all realms.
   *
   * @throws {DramatiqError} If one cannot begin, for example because a module does not import.
   * @throws {TypeError} If they do not declare an actor that is declared here.
   */
  async start(broker: Broker): Promise<void> {
    this.#broker = broker;
    const boots: Promise<readonly string[]>[] = [];
    while (this.#realms.length < this.#count) {
      const realm = this.#open(this.#settings.concurrency);
      this.#realms.push(realm);
      const boot = Promise.withResolvers<readonly string[]>();
      this.#boots.set(realm, boot);
      boots.push(boot.promise);
    }
    try {
      const [names] = await Promise.all(boots);
      const missing = [...broker.actors.keys()].filter((name) => !names!.includes(name));
      if (missing.length > 0) {
        throw new TypeError(
          `Cannot run ${missing.join(", ")} in a ${this.#kind.name}: ${
            this.#settings.modules.join(", ")
          } declare no such actor`,
        );
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Hands a run to the realm with the least to do. */
  run(run: Run): void {
    if (this.#waiting.size > 0 || !this.#assign(run)) this.#waiting.push(run);
  }

  /** Has its signal abort, and deals with what does not stop when the grace is over. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    const realm = this.#realmOf(run);
    if (realm === undefined) return this.#interruptWaiting(run, reason, grace);
    if (realm.takeBack(run)) return this.#neverBegan(run);
    const { clock } = this.#broker!;
    const endsAt = clock.now() + grace;
    const before = this.#stops.get(run);
    if (before === undefined) realm.interrupt(run, reason);
    else if (endsAt >= before.endsAt) return;
    this.#ended(run);
    const isLost = reason instanceof WorkerLost && grace === 0;
    if (isLost) return this.#leaveAlone(realm, run, reason);
    const wait = Math.max(grace, HEARING);
    const stop: Stop = {
      reason,
      grace,
      endsAt,
      timer: clock.setTimer(() => this.#graceOver(run), wait),
      isHeard: before?.isHeard ?? false,
    };
    this.#stops.set(run, stop);
  }

  /** Stops all realms. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#backoff);
    const realms = [...this.#realms, ...(this.#cell === undefined ? [] : [this.#cell])];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<void>((resolve) => timer = setTimeout(resolve, STOPPING));
    await Promise.race([Promise.all(realms.map((realm) => realm.stop())), tooLate]);
    clearTimeout(timer);
    for (const realm of realms) this.#kill(realm);
    this.#realms = [];
    this.#cell = undefined;
    for (const run of [...this.#stops.keys()]) this.#ended(run);
  }

  #ready(realm: Realm, actorNames: readonly string[]): void {
    this.#refusals = 0;
    this.#boots.get(realm)?.resolve(actorNames);
    this.#boots.delete(realm);
    this.#roomMade();
  }

  #refused(realm: Realm, error: unknown): void {
    const failure = new DramatiqError(`Cannot start a ${this.#kind.name}: ${errorMessage(error)}`, {
      cause: error,
    });
    const boot = this.#boots.get(realm);
    this.#boots.delete(realm);
    this.#remove(realm);
    if (boot !== undefined) return boot.reject(failure);
    if (this.#isStopping) return;
    this.#refusals += 1;
    log.error("{reason}", { reason: failure.message, error: failure });
    if (this.#refusals === MAX_REFUSALS) this.#retire(failure.message);
    const wait = Math.min(FIRST_BACKOFF * 2 ** (this.#refusals - 1), LONGEST_BACKOFF);
    clearTimeout(this.#backoff);
    this.#backoff = setTimeout(() => this.#replenish(), wait);
  }

  #heard(run: Run): void {
    const stop = this.#stops.get(run);
    if (stop === undefined || stop.isHeard) return;
    stop.isHeard = true;
    const { clock } = this.#broker!;
    // It could not hear until now, and gets its grace from here on.
    if (clock.now() < stop.endsAt || stop.grace === Infinity) return;
    clock.clearTimer(stop.timer);
    stop.timer = clock.setTimer(() => this.#graceOver(run), stop.grace);
  }

  #ended(run: Run): void {
    if (this.#stops.size === 0) return;
    const stop = this.#stops.get(run);
    if (stop === undefined) return;
    this.#stops.delete(run);
    this.#broker!.clock.clearTimer(stop.timer);
  }

  #neverBegan(run: Run): void {
    this.#ended(run);
    this.#again(run);
  }

  #roomMade(): void {
    for (let run = this.#waiting.shift(); run !== undefined; run = this.#waiting.shift()) {
      if (this.#assign(run)) continue;
      this.#waiting.unshift([run]);
      break;
    }
    this.#tryNextSuspect();
  }

  #crashed(realm: Realm, crash: Crash): void {
    const { slot, how } = crash;
    const error = crash.error === undefined ? undefined : fromWire(crash.error);
    // In a cell of its own there is nobody else.
    const offender = slot !== undefined
      ? realm.at(slot)
      : realm === this.#cell
      ? realm.at(0)
      : undefined;
    const reason = error === undefined ? how : `${how}: ${errorMessage(error)}`;
    log.error("A {kind} is lost, and replaced: {reason}", {
      ...(offender !== undefined && about(offender.message)),
      kind: this.#kind.name,
      reason,
      error,
    });
    const fail = (run: Run) =>
      run.fail(
        new ActorCrashed(
          `Message ${run.message.messageId} of ${run.message.actorName} brought its ${this.#kind.name} ` +
            `down: ${reason}`,
          error === undefined ? undefined : { cause: error },
        ),
      );
    this.#lose(realm, offender, fail);
  }

  #open(concurrency: number): Realm {
    const settings = { ...this.#settings, concurrency, logLevel: leastLogLevel() };
    return new Realm(
      this.#owner,
      concurrency,
      this.#errorClasses,
      (listener) => this.#kind.open(settings, listener),
    );
  }

  /** Starts realms for those that are lost. */
  #replenish(): void {
    if (this.#isStopping) return;
    while (this.#realms.length < this.#count) {
      this.#realms.push(this.#open(this.#settings.concurrency));
    }
    this.#tryNextSuspect();
  }

  #assign(run: Run): boolean {
    let least: Realm | undefined;
    for (const realm of this.#realms) {
      if (realm.hasRoom && (least === undefined || realm.load < least.load)) least = realm;
    }
    if (least === undefined) return false;
    least.hand(run);
    this.#flushSoon();
    return true;
  }

  #flushSoon(): void {
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(() => {
      this.#willFlush = false;
      for (const realm of this.#realms) realm.flush();
      this.#cell?.flush();
    });
  }

  #realmOf(run: Run): Realm | undefined {
    if (this.#cell?.has(run)) return this.#cell;
    return this.#realms.find((realm) => realm.has(run));
  }

  #interruptWaiting(run: Run, reason: Interrupt, grace: number): void {
    if (reason instanceof TimeLimitExceeded) {
      // It has had no time yet.
      return run.message.renew(this.#broker!.clock.now());
    }
    if (grace === Infinity) return; // it hears of it when it begins
    if (remove(this.#waiting, run) || remove(this.#suspects, run)) run.fail(reason);
  }

  #graceOver(run: Run): void {
    const stop = this.#stops.get(run);
    const realm = this.#realmOf(run);
    if (stop === undefined || realm === undefined) return;
    if (stop.reason instanceof WorkerLost) {
      this.#ended(run);
      return this.#leaveAlone(realm, run, stop.reason);
    }
    const { busy } = realm;
    // Another one computes, and has its own time limit: until then nothing can be told of this one.
    if (!stop.isHeard && busy !== undefined && busy !== run) return;
    const isKnown = stop.isHeard || busy === run;
    log.error("Message {messageId} of {actor} does not stop and is killed: {reason}", {
      ...about(run.message, stop.reason),
    });
    if (!stop.isHeard && !this.#kind.canEndBusy) {
      const reason = `a ${this.#kind.name} computes for ever and cannot be ended on this runtime`;
      log.error("This process should be replaced: {reason}", { reason });
      this.#retire(reason);
    }
    const isAlone = realm.begun.length === 1;
    this.#lose(realm, isKnown || isAlone ? run : undefined, () => run.fail(stop.reason));
  }

  /** The worker does not wait for it any more. */
  #leaveAlone(realm: Realm, run: Run, reason: Interrupt): void {
    realm.leaveAlone(run);
    run.fail(reason);
  }

  /** Kills a realm, starts another, and sees to what was in it. */
  #lose(realm: Realm, offender: Run | undefined, fail: (offender: Run) => void): void {
    const begun = new Set(realm.begun);
    const runs = realm.kill();
    this.#remove(realm);
    this.#replenish();
    for (const run of runs) {
      this.#ended(run);
      if (run === offender) fail(run);
      else if (offender === undefined && begun.has(run)) this.#suspect(run);
      else this.#again(run);
    }
    this.#tryNextSuspect();
  }

  /** Runs it again as if nothing had happened. */
  #again(run: Run): void {
    if (this.#mayRunAgain(run)) this.run(run);
  }

  /** As `#again`, where it can do no harm. */
  #suspect(run: Run): void {
    if (this.#mayRunAgain(run)) this.#suspects.push(run);
  }

  #mayRunAgain(run: Run): boolean {
    const { interruptReason } = run.message;
    const isStopping = interruptReason !== undefined &&
      !(interruptReason instanceof TimeLimitExceeded);
    if (run.isStale === true || isStopping) {
      run.fail(new WorkerLost("Its thread or process was lost, and the worker does not go on"));
      return false;
    }
    run.message.renew(this.#broker!.clock.now());
    return true;
  }

  #tryNextSuspect(): void {
    if (this.#suspects.size === 0) {
      if (this.#cell !== undefined && this.#cell.load === 0) this.#closeCell();
      return;
    }
    if (this.#isStopping) return;
    this.#cell ??= this.#open(1);
    if (!this.#cell.hasRoom) return;
    const run = this.#suspects.shift()!;
    run.message.renew(this.#broker!.clock.now());
    this.#cell.hand(run);
    this.#flushSoon();
  }

  #closeCell(): void {
    const cell = this.#cell!;
    this.#cell = undefined;
    cell.stop().then(() => this.#kill(cell));
  }

  #kill(realm: Realm): void {
    for (const run of realm.kill()) run.fail(new WorkerLost("The worker has stopped"));
  }

  #remove(realm: Realm): void {
    if (this.#cell === realm) this.#cell = undefined;
    this.#realms = this.#realms.filter((one) => one !== realm);
  }
}

/** Takes a run out of a list. */
function remove(list: Fifo<Run>, run: Run): boolean {
  const others: Run[] = [];
  let isFound = false;
  for (let one = list.shift(); one !== undefined; one = list.shift()) {
    if (one === run) isFound = true;
    else others.push(one);
  }
  list.unshift(others);
  return isFound;
}
