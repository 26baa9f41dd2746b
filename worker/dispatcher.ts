import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { toInterrupt } from "../core/cancellations.ts";
import type { Cancellation } from "../core/stored_cancellation.ts";
import type { Timer } from "../platform/clock.ts";
import { WorkerLost } from "../core/interrupt.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { IndexedSet } from "../platform/indexed_set.ts";
import { Notifier } from "../platform/notifier.ts";
import { UndecodableMessage } from "../core/undecodable_message.ts";
import { isBlamed, maxDeathsOf } from "../core/suspicion.ts";
import { type FleetControl, unlessEmpty } from "./fleet_control.ts";
import { Republisher } from "./republisher.ts";
import type { Executor } from "./executors/executor.ts";
import type { Outcome } from "../core/middleware.ts";
import { ActorTotals } from "./actor_totals.ts";
import { Job, type JobOwner, returnToQueue } from "./job.ts";
import { noOutcomes, outcomeOf } from "./outcome.ts";
import type { Settlement } from "./settlement.ts";
import { WaitingJobs } from "./waiting_jobs.ts";
import { WaitLimit } from "./wait_limit.ts";
import { counted } from "../platform/counted.ts";

const log = /* @__PURE__ */ getLogger("worker");

/** Milliseconds of a pause after which messages that have not begun are requeued. */
const SHORT_PAUSE = 1_000;

/**
 * Runs the messages that a worker has in flight:
 *
 * delivered ─▶ waiting, by the priority of their actors ─▶ running, up to the concurrency ─▶ settled
 *                  └─▶ requeued: the worker stops or pauses, or they have waited for too long
 *
 * delivered by a delay queue ─▶ moved to their queue
 * delivered while their actor is paused ─▶ moved to the delay queue
 *
 * Nothing is started before `open`, or after `hold`.
 */
export class Dispatcher implements JobOwner {
  /** The broker, for its hooks. */
  readonly broker: Broker;
  /** Executor of the actors. */
  readonly executor: Executor;
  readonly #control: FleetControl | undefined;
  /** Number of messages by outcome so far. */
  readonly outcomes: Record<Outcome, number> = noOutcomes();
  /** The same by actor. */
  readonly totals: ActorTotals = new ActorTotals();
  readonly #waiting: WaitingJobs = new WaitingJobs();
  readonly #running: IndexedSet<Job> = new IndexedSet();
  /** Moves delayed messages to their queues, and messages of paused actors to the delay queue. */
  readonly #republisher: Republisher;
  readonly #waitLimit: WaitLimit;
  #isOpen = false;
  #pauseTimer: Timer | undefined;
  #isStartingJobs = false;
  /** Notified when a message has ended, for `idle`. */
  readonly #ended: Notifier = new Notifier();

  /**
   * Makes a dispatcher with nothing in flight.
   *
   * @param broker The broker of the messages.
   * @param executor Runs the actors.
   * @param control Cancellations and paused actors, if the broker has a control store.
   */
  constructor(broker: Broker, executor: Executor, control?: FleetControl) {
    this.#control = control;
    this.broker = broker;
    this.executor = executor;
    this.#republisher = new Republisher(broker, () => this.#ended.notify());
    this.#waitLimit = new WaitLimit({
      clock: broker.clock,
      limit: broker.maxWait,
      get concurrency() {
        return executor.concurrency;
      },
      hasFreeSlot: () => this.#isOpen && this.#running.size < executor.concurrency,
      giveBack: (period) => this.#giveBackOld(period),
    });
  }

  /** The messages whose actors, or hooks, are running. */
  get running(): MessageProxy[] {
    return Array.from(this.#running, (job) => job.message);
  }

  /** Number of messages whose actors, or hooks, are running. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** Starts jobs from now on, as there is room. */
  open(): void {
    this.#isOpen = true;
    this.broker.clock.clearTimer(this.#pauseTimer);
    this.#startJobs();
    this.#waitLimit.roomMade();
  }

  /** Starts jobs for which a resized executor has room. */
  resized(): void {
    this.#startJobs();
    this.#waitLimit.roomMade();
  }

  /** Starts no more jobs until `open`. Running jobs go on. */
  hold(): void {
    this.#isOpen = false;
  }

  /** Starts no more jobs until `open`; after a second, requeues those that have not begun. */
  pause(): void {
    this.hold();
    this.#pauseTimer = this.broker.clock.setTimer(() => this.giveBack(), SHORT_PAUSE);
  }

  /** Takes messages of a queue. */
  deliver(messages: readonly MessageProxy[], settlement: Settlement): void {
    const cancellations = unlessEmpty(this.#control?.cancellations);
    const paused = unlessEmpty(this.#control?.pausedActors);
    for (const message of messages) {
      const actor = this.#actorOf(message);
      if (actor === undefined) {
        this.#settle(message, settlement, outcomeOf(message, "refused"));
        continue;
      }
      const job = new Job(this, message, actor, settlement);
      if (cancellations !== undefined) {
        const cancellation = cancellations.find(message);
        if (cancellation !== undefined) {
          this.#cancel(job, cancellation);
          continue;
        }
      }
      const delay = paused?.delayOf(message.actorName);
      if (delay !== undefined) {
        this.#republisher.postpone(message, settlement, delay);
        continue;
      }
      job.waitsSince = this.#waitLimit.period;
      if (message.suspicion !== undefined && this.#isBlamed(message)) {
        this.#waiting.pushSuspect(job);
      } else this.#waiting.push(job);
    }
    this.#startJobs();
    if (this.#waiting.size > 0) this.#waitLimit.watch();
  }

  /** Takes messages of a delay queue that are due. */
  deliverDelayed(messages: readonly MessageProxy[], settlement: Settlement): void {
    const cancellations = unlessEmpty(this.#control?.cancellations);
    for (const message of messages) {
      const cancellation = cancellations?.find(message);
      // If the actor is not declared here, a worker of its queue runs the hooks.
      const actor = cancellation && this.broker.actors.get(message.actorName);
      if (cancellation !== undefined && actor !== undefined) {
        this.#cancel(new Job(this, message, actor, settlement), cancellation);
        continue;
      }
      this.#republisher.promote(message, settlement);
    }
  }

  /** Applies new cancellations to the messages in flight. */
  cancelKnown(): void {
    const cancellations = unlessEmpty(this.#control?.cancellations);
    if (cancellations === undefined) return;
    for (
      const job of this.#waiting.take(({ message }) => cancellations.find(message) !== undefined)
    ) {
      this.#cancel(job, cancellations.find(job.message)!);
    }
    for (const { message } of this.#running) {
      const cancellation = cancellations.find(message);
      if (cancellation === undefined || cancellation.waitingOnly) continue;
      message.interrupt(toInterrupt(cancellation), { grace: cancellation.grace });
    }
  }

  /** Requeues the messages of a paused queue that have not begun. */
  giveBackOf(queueName: string): void {
    this.#waiting.take(({ message }) => message.queueName === queueName).forEach(returnToQueue);
    this.#ended.notify();
  }

  /** Delays the messages of paused actors that have not begun. */
  postponePaused(): void {
    const paused = unlessEmpty(this.#control?.pausedActors);
    if (paused === undefined) return;
    const delayOf = ({ message }: Job) => paused.delayOf(message.actorName);
    for (const job of this.#waiting.take((job) => delayOf(job) !== undefined)) {
      this.#republisher.postpone(job.message, job.settlement, delayOf(job) ?? 0);
    }
    this.#ended.notify();
  }

  /** Settles the message of a job that has ended, and starts another. */
  finished(job: Job, outcome: Outcome): void {
    this.#running.delete(job);
    this.#waiting.ended(job);
    this.#settle(job.message, job.settlement, outcome);
    this.#startJobs();
    this.#waitLimit.roomMade();
  }

  /** A job has turned out to be a suspect: it waits until it can run alone. */
  blamed(job: Job): void {
    this.#running.delete(job);
    this.#waiting.pushSuspect(job);
    this.#startJobs();
  }

  /** Waits until nothing is in flight. */
  async idle(): Promise<void> {
    while (this.#running.size > 0 || this.#waiting.size > 0 || this.#republisher.count > 0) {
      await this.#ended.next();
    }
  }

  /** Requeues the messages that have not begun. */
  giveBack(): void {
    for (const job of this.#waiting.drain()) returnToQueue(job);
    this.#ended.notify();
  }

  /** Starts nothing more, and requeues the messages that have not begun. */
  stop(): void {
    this.hold();
    this.broker.clock.clearTimer(this.#pauseTimer);
    this.#waitLimit.stop();
    this.giveBack();
  }

  /** Abandons the running messages: the worker waits no longer. */
  giveUp(): void {
    const { size } = this.#running;
    if (size > 0) log.warn(counted(size, "Gave up {count} running message(s)"), { count: size });
    for (const { message } of this.#running) {
      message.interrupt(new WorkerLost("The worker stopped waiting"), { grace: 0 });
    }
  }

  #actorOf(message: MessageProxy): Actor | undefined {
    if (message.message instanceof UndecodableMessage) return undefined;
    const actor = this.broker.actors.get(message.actorName);
    if (actor === undefined) {
      log.error("Actor {actor} of message {messageId} is not declared", about(message));
    }
    return actor;
  }

  #settle(message: MessageProxy, settlement: Settlement, outcome: Outcome): void {
    this.outcomes[outcome] += 1;
    this.totals.add(message, outcome);
    settlement.settle(message, outcome);
  }

  /** True if a worker died while the message ran. Forgets that if the actor has no `maxDeaths`. */
  #isBlamed(message: MessageProxy): boolean {
    if (maxDeathsOf(this.broker, message) === Infinity) message.suspicion = undefined;
    return isBlamed(message);
  }

  /** Runs the hooks of a job, but not its actor, which needs no room. */
  #cancel(job: Job, cancellation: Cancellation): void {
    if (job.settlement.isStale) return returnToQueue(job);
    this.#running.add(job);
    job.cancel(this.#control!.cancellations.reasonOf(cancellation));
  }

  /** Starts jobs while there are any and the executor has room. */
  #startJobs(): void {
    // A job that ends at once calls this again, through `finished`.
    if (this.#isStartingJobs) return;
    this.#isStartingJobs = true;
    try {
      const { concurrency } = this.executor;
      while (this.#isOpen && this.#running.size < concurrency) {
        const job = this.#waiting.shift();
        if (job === undefined) break;
        if (job.settlement.isStale) {
          this.#waiting.ended(job);
          returnToQueue(job);
          continue;
        }
        this.#running.add(job);
        job.start();
      }
    } finally {
      this.#isStartingJobs = false;
    }
    if (this.#running.size === 0) this.#ended.notify();
  }

  /** Requeues messages that have waited since a period or longer: see {@linkcode WaitLimit}. */
  #giveBackOld(period: number): { sources: Set<Settlement>; isDone: boolean } {
    const sources = new Set<Settlement>();
    const isOld = ({ waitsSince }: Job) => waitsSince <= period;
    for (const job of this.#waiting.shiftWhile(isOld)) {
      if (!job.settlement.isStale) sources.add(job.settlement);
      returnToQueue(job);
    }
    this.#ended.notify();
    return { sources, isDone: this.#waiting.size === 0 };
  }
}
