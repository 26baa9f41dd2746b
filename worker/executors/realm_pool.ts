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
import { runInMicrotask } from "../../platform/microtask.ts";

const log = /* @__PURE__ */ getLogger("worker", "executor");

/**
 * Runs actors in realms (threads or processes), and replaces realms that are lost.
 *
 * A run goes to the realm with the fewest runs. It waits only while realms are starting.
 *
 * waiting ─▶ handed over ─▶ begun ─▶ ended
 *    ▲            └──────────┴─▶ its realm is lost: offender ─▶ fails
 *    ├─────────────────────────────────────────── innocent
 *    └── alone, in a realm of its own ◀────────── suspect
 *
 * The offender is, in this order:
 *
 * 1. at a time limit, the run that is past it, if the realm answers or is blocked by that run;
 * 2. the run that called `process.exit()`, or whose error was not caught;
 * 3. the only run in the realm.
 *
 * Otherwise all runs that had begun are suspects. They run again one by one, each alone in a realm,
 * and the one whose realm is lost again is the offender.
 *
 * Innocents and suspects keep their number of retries, and their time limit starts again.
 */
export class RealmPool implements Executor {
  #concurrency: number;
  readonly #lifecycle: RealmLifecycle;
  #broker: Broker | undefined;
  /** The realm for suspects, if there are any. */
  #quarantine: Realm | undefined;
  readonly #waiting: Fifo<Run> = new Fifo();
  readonly #suspects: Fifo<Run> = new Fifo();
  readonly #gracePeriods: GracePeriods;
  #willFlush = false;

  /**
   * Stores and checks the options.
   *
   * @param kind Threads or processes.
   * @param count Number of realms.
   * @param options The modules, and the concurrency of each realm.
   * @throws {TypeError} If no module is named, or one by a relative path.
   * @throws {RangeError} If `count` or `concurrency` is not a whole number above 0.
   */
  constructor(kind: RealmKind, count: number, options: RealmOptions) {
    this.#gracePeriods = new GracePeriods(
      () => this.#broker!.clock,
      (run, period) => this.#graceOver(run, period),
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

  /** Number of messages that all realms together run at once. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Changes the concurrency: starts realms, or stops some once they are idle. */
  resize(concurrency: number): void {
    this.#concurrency = concurrency;
    this.#lifecycle.resize(Math.ceil(concurrency / this.#lifecycle.concurrency));
  }

  /**
   * Resolves, with the reason, when this process should be replaced: a blocked thread cannot be ended,
   * or realms do not start any more.
   */
  get retired(): Promise<string> {
    return this.#lifecycle.retired;
  }

  /**
   * Starts all realms.
   *
   * @throws {DramatiqError} If one does not start, for example because a module cannot be imported.
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

  /** Ends a `start` that waits for realms; `stop` follows. */
  cancelStart(): void {
    this.#lifecycle.cancelStart();
  }

  /** Hands a run to the realm with the fewest runs. */
  run(run: Run): void {
    if (run.isSuspect === true) {
      this.#suspects.push(run);
      return this.#tryNextSuspect();
    }
    if (this.#waiting.size > 0 || !this.#assign(run)) this.#waiting.push(run);
  }

  /** Aborts the signal of a run, and kills its realm if it has not ended after the grace period. */
  interrupt(run: Run, reason: Interrupt, grace: number): void {
    const realm = this.#realmOf(run);
    if (realm === undefined) return this.#interruptWaiting(run, reason);
    if (realm.takeBack(run)) return this.#neverBegan(run);
    if (!this.#gracePeriods.has(run)) realm.interrupt(run, reason);
    else if (!this.#gracePeriods.isSooner(run, grace)) return;
    if (reason instanceof WorkerLost && grace === 0) this.#abandon(realm, run, reason);
    else this.#gracePeriods.begin(run, reason, grace);
  }

  /** Stops all realms. Only abandoned runs are left in them. */
  async stop(): Promise<void> {
    await Promise.all([this.#lifecycle.stop(), this.#quarantine?.stop()]);
    this.#quarantine = undefined;
    this.#gracePeriods.endAll();
  }

  #neverBegan(run: Run): void {
    this.#gracePeriods.end(run);
    this.#runAgain(run);
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
    runInMicrotask(() => {
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
      // It has not begun: its time limit starts again.
      return run.message.renew(monotonicTime(this.#broker!.clock));
    }
    if (!remove(this.#waiting, run) && !remove(this.#suspects, run)) return;
    run.fail(
      reason instanceof WorkerLost
        ? reason
        : new WorkerLost("The worker stops before it has begun", { cause: reason }),
    );
  }

  #graceOver(run: Run, period: GracePeriod): void {
    const realm = this.#realmOf(run);
    if (realm === undefined) return;
    if (period.reason instanceof WorkerLost) return this.#abandon(realm, run, period.reason);
    const { busy } = realm;
    // Another run blocks the realm. That one has a time limit, too: this one waits for it.
    if (!period.isHeard && busy !== undefined && busy !== run) return;
    const isKnown = period.isHeard || busy === run;
    log.error("Killed message {messageId} of {actor}, which does not stop: {reason}", {
      ...about(run.message, period.reason),
    });
    if (!period.isHeard) this.#lifecycle.leftBusy();
    const isAlone = realm.begun.length === 1;
    this.#lose(realm, isKnown || isAlone ? run : undefined, () => run.fail(period.reason));
  }

  /** Fails a run, for which the worker waits no longer, and leaves its realm alive. */
  #abandon(realm: Realm, run: Run, reason: Interrupt): void {
    this.#gracePeriods.end(run);
    realm.abandon(run);
    run.fail(reason);
  }

  /** Kills a realm, starts another, and fails or repeats its runs. */
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
      else this.#runAgain(run);
    }
    this.#tryNextSuspect();
  }

  #runAgain(run: Run): void {
    if (this.#mayRunAgain(run)) this.run(run);
  }

  /** Runs it again alone. */
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

/** Removes a run from a list. */
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
