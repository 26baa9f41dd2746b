import type { Broker } from "../../core/broker.ts";
import { monotonicTime } from "../../platform/clock.ts";
import { ActorCrashed } from "../../core/errors.ts";
import { Fifo } from "../../platform/fifo.ts";
import { type Interrupt, TimeLimitExceeded, WorkerLost } from "../../core/interrupt.ts";
import { about, getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Executor, Run } from "./executor.ts";
import type { Realm } from "./realm.ts";
import { type RealmKind, RealmLifecycle } from "./realm_lifecycle.ts";
import type { RealmOptions } from "./realm_options.ts";
import type { Crash } from "./realm_protocol.ts";
import { isOfFirstWorker } from "./role.ts";
import { type GracePeriod, GracePeriods } from "./grace_periods.ts";
import { fromWire } from "./thrown_on_wire.ts";

const log = /* @__PURE__ */ getLogger("worker", "executor");

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
  #concurrency: number;
  readonly #lifecycle: RealmLifecycle;
  #broker: Broker | undefined;
  /** The realm for suspects, while there are any. */
  #quarantine: Realm | undefined;
  readonly #waiting: Fifo<Run> = new Fifo();
  readonly #suspects: Fifo<Run> = new Fifo();
  readonly #gracePeriods: GracePeriods;
  #willFlush = false;

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
    this.#gracePeriods = new GracePeriods(
      () => this.#broker!.clock,
      (run, stop) => this.#graceOver(run, stop),
    );
    this.#lifecycle = new RealmLifecycle(kind, count, options, {
      heard: (run) => this.#gracePeriods.heard(run),
      ended: (run) => this.#gracePeriods.end(run),
      neverBegan: (run) => this.#neverBegan(run),
      roomMade: () => this.#roomMade(),
      crashed: (realm, crash) => this.#crashed(realm, crash),
      refused: (realm) =>
        this.#quarantine = this.#quarantine === realm ? undefined : this.#quarantine,
      mayTryAgain: () => this.#tryNextSuspect(),
    });
    this.#concurrency = count * this.#lifecycle.concurrency;
  }

  /** Number of messages it runs at once, in all realms together. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Changes how many messages it runs at once: opens realms, or lets some retire once idle. */
  resize(concurrency: number): void {
    this.#concurrency = concurrency;
    this.#lifecycle.resize(Math.ceil(concurrency / this.#lifecycle.concurrency));
  }

  /**
   * Resolves, with the reason, when this process should be replaced: a thread keeps
   * computing and cannot be ended, or realms do not start any more. Pending until then.
   */
  get retired(): Promise<string> {
    return this.#lifecycle.retired;
  }

  /**
   * Starts all realms.
   *
   * @throws {DramatiqError} If one cannot begin, for example because a module does not import.
   * @throws {TypeError} If they do not declare an actor that is declared here.
   */
  async start(broker: Broker): Promise<void> {
    if (this.#lifecycle.runsProgram && !isOfFirstWorker(broker)) {
      throw new TypeError(
        `Cannot run this program in ${this.#lifecycle.kind.plural} for a second worker: each of them would ` +
          "serve the broker of the first one; name the modules that declare the actors (modules)",
      );
    }
    this.#broker = broker;
    await this.#lifecycle.start(broker.actors.keys());
  }

  /** Hands a run to the realm with the least to do. */
  run(run: Run): void {
    if (run.isSuspect === true) {
      this.#suspects.push(run);
      return this.#tryNextSuspect();
    }
    if (this.#waiting.size > 0 || !this.#assign(run)) this.#waiting.push(run);
  }

  /** Has its signal abort, and deals with what does not stop when the grace is over. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    const realm = this.#realmOf(run);
    if (realm === undefined) return this.#interruptWaiting(run, reason);
    if (realm.takeBack(run)) return this.#neverBegan(run);
    if (!this.#gracePeriods.has(run)) realm.interrupt(run, reason);
    else if (!this.#gracePeriods.isSooner(run, grace)) return;
    if (reason instanceof WorkerLost && grace === 0) this.#leaveAlone(realm, run, reason);
    else this.#gracePeriods.begin(run, reason, grace);
  }

  /** Stops all realms. Nothing runs in them any more but what was given up. */
  async stop(): Promise<void> {
    await Promise.all([this.#lifecycle.stop(), this.#quarantine?.stop()]);
    this.#quarantine = undefined;
    this.#gracePeriods.endAll();
  }

  #neverBegan(run: Run): void {
    this.#gracePeriods.end(run);
    this.#again(run);
  }

  #roomMade(): void {
    this.#lifecycle.stopIdle();
    for (let run = this.#waiting.shift(); run !== undefined; run = this.#waiting.shift()) {
      if (!this.#mayStart(run) || this.#assign(run)) continue;
      this.#waiting.unshift([run]);
      break;
    }
    this.#tryNextSuspect();
  }

  #crashed(realm: Realm, crash: Crash): void {
    const { slot, how } = crash;
    const error = crash.error === undefined ? undefined : fromWire(crash.error);
    // In quarantine no other run shares the realm.
    const offender = slot !== undefined
      ? realm.at(slot)
      : realm === this.#quarantine
      ? realm.at(0)
      : undefined;
    const reason = error === undefined ? how : `${how}: ${errorMessage(error)}`;
    log.error("Replacing a lost {kind}: {reason}", {
      ...(offender !== undefined && about(offender.message)),
      kind: this.#lifecycle.kind.name,
      reason,
      error,
    });
    const fail = (run: Run) =>
      run.fail(
        new ActorCrashed(
          `Message ${run.message.messageId} of ${run.message.actorName} brought its ${this.#lifecycle.kind.name} ` +
            `down: ${reason}`,
          error === undefined ? undefined : { cause: error },
        ),
      );
    this.#lose(realm, offender, fail);
  }

  #assign(run: Run): boolean {
    const least = this.#lifecycle.leastLoaded;
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
      for (const realm of this.#lifecycle.all) realm.flush();
      this.#quarantine?.flush();
    });
  }

  #realmOf(run: Run): Realm | undefined {
    if (this.#quarantine?.has(run)) return this.#quarantine;
    return this.#lifecycle.all.find((realm) => realm.has(run));
  }

  #interruptWaiting(run: Run, reason: Interrupt): void {
    if (reason instanceof TimeLimitExceeded) {
      // It has had no time yet.
      return run.message.renew(monotonicTime(this.#broker!.clock));
    }
    if (!remove(this.#waiting, run) && !remove(this.#suspects, run)) return;
    run.fail(
      reason instanceof WorkerLost
        ? reason
        : new WorkerLost("The worker stops before it has begun", { cause: reason }),
    );
  }

  #graceOver(run: Run, stop: GracePeriod): void {
    const realm = this.#realmOf(run);
    if (realm === undefined) return;
    if (stop.reason instanceof WorkerLost) return this.#leaveAlone(realm, run, stop.reason);
    const { busy } = realm;
    // Another one computes, and has its own time limit: until then nothing can be told of this one.
    if (!stop.isHeard && busy !== undefined && busy !== run) return;
    const isKnown = stop.isHeard || busy === run;
    log.error("Killed message {messageId} of {actor}, which does not stop: {reason}", {
      ...about(run.message, stop.reason),
    });
    if (!stop.isHeard) this.#lifecycle.leftBusy();
    const isAlone = realm.begun.length === 1;
    this.#lose(realm, isKnown || isAlone ? run : undefined, () => run.fail(stop.reason));
  }

  /** The worker does not wait for it any more. */
  #leaveAlone(realm: Realm, run: Run, reason: Interrupt): void {
    this.#gracePeriods.end(run);
    realm.leaveAlone(run);
    run.fail(reason);
  }

  /** Kills a realm, starts another, and sees to what was in it. */
  #lose(realm: Realm, offender: Run | undefined, fail: (offender: Run) => void): void {
    const begun = new Set(realm.begun);
    const runs = realm.kill();
    if (this.#quarantine === realm) this.#quarantine = undefined;
    this.#lifecycle.remove(realm);
    this.#lifecycle.replenish();
    for (const run of runs) {
      this.#gracePeriods.end(run);
      if (run === offender) {
        run.message.markKilled();
        fail(run);
      } else if (offender === undefined && begun.has(run)) this.#suspect(run);
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
    if (isStopping) {
      run.fail(new WorkerLost("Its thread or process was lost, and the worker does not go on"));
      return false;
    }
    if (!this.#mayStart(run)) return false;
    run.message.renew(monotonicTime(this.#broker!.clock));
    return true;
  }

  /** Fails a run that was delivered to another consumer while it waited for a realm. */
  #mayStart(run: Run): boolean {
    if (run.isStale !== true) return true;
    run.fail(new WorkerLost("It was delivered to another consumer before it could start"));
    return false;
  }

  #tryNextSuspect(): void {
    if (this.#suspects.size === 0) {
      if (this.#quarantine?.load !== 0) return;
      this.#quarantine.stop();
      this.#quarantine = undefined;
      return;
    }
    if (this.#lifecycle.isStopping) return;
    this.#quarantine ??= this.#lifecycle.open(1);
    if (!this.#quarantine.hasRoom) return;
    const run = this.#suspects.shift()!;
    if (!this.#mayStart(run)) return this.#tryNextSuspect();
    run.message.renew(monotonicTime(this.#broker!.clock));
    this.#quarantine.hand(run);
    this.#flushSoon();
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
