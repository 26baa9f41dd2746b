import type { Broker } from "../core/broker.ts";
import {
  cancelMatching,
  cancelMessages,
  type CancelOptions,
  type CancelPredicate,
  cancelTargetOf,
  controlStoreOf,
} from "../core/cancellation.ts";
import { CANCEL_PREFIX, type Cancellation, toCancellation } from "../core/stored_cancellation.ts";
import type { Message } from "../core/message.ts";
import { assertCanPurge, purgeCancelled } from "./purge.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { type ClaimsOptions, readClaims, releaseClaim, type UniqueClaim } from "./claims.ts";
import {
  type Pause,
  type PauseOptions,
  type PauseOutcome,
  type PauseTarget,
  readPauses,
  removePause,
  storePause,
} from "./pauses.ts";
import {
  pauseSchedule,
  type PauseScheduleOptions,
  readSchedules,
  resumeSchedule,
  type ScheduleReport,
  triggerSchedule,
} from "./schedules.ts";
import { setConcurrency, type SetConcurrencyOptions } from "./sizes.ts";
import { readWorkers, type WorkerReport } from "./workers.ts";

/** Options of {@linkcode Control.cancelAll}. */
export interface CancelAllOptions extends CancelOptions {
  /**
   * Drops messages that wait or are delayed at once, rather than when a worker gets to them. That reads
   * all messages of the queue; RabbitMQ cannot.
   *
   * @default {false}
   */
  purge?: boolean;
}

/**
 * Controls all workers of a broker, from any process.
 *
 * Needs a broker with a control store, see `Broker.controlStore`. Commands are stored there and
 * also apply to workers that start later.
 *
 * @example Cancel what a user no longer waits for
 * ```ts
 * import { actor, Control, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * setBroker(broker);
 * const render = actor(function render(_page: string) {});
 * const message = await render.send("about");
 *
 * const control = new Control(broker);
 * await control.cancel(message.messageId, { reason: "the user has left" });
 * await control.cancelAll({ actor: render }); // all that were sent before now
 * ```
 */
export class Control {
  /** The broker whose workers it controls. */
  readonly broker: Broker;

  /**
   * Stores the broker.
   *
   * @param broker The broker whose workers are to be controlled.
   * @throws {TypeError} If it has no control store.
   */
  constructor(broker: Broker) {
    controlStoreOf(broker, "control workers");
    this.broker = broker;
  }

  /**
   * Cancels a message, wherever it is: it will not run, or is stopped if it does.
   *
   * A running message is cancelled through its signal (`currentSignal()`). One that does not stop
   * within `grace` is killed, if its executor can do that.
   *
   * @param message The message, or its id. One that is unknown, or done, does no harm.
   * @param options Why, and how.
   * @throws {RangeError} If the id is empty, or a time below 0.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancel(message: Message | string, options: CancelOptions = {}): Promise<void> {
    const target = typeof message === "string" ? { messageId: message } : cancelTargetOf(message);
    await cancelMessages(this.broker, [target], options);
  }

  /**
   * Cancels all messages that match, however many: none is looked for, each is dropped when a
   * worker comes to it. Messages made later are not cancelled.
   *
   * @param predicate Which messages; an actor or a queue, or both.
   * @param options Why, and how; with `purge`, those that wait are dropped before this returns.
   * @returns The time before which they were made, in milliseconds since the epoch.
   * @throws {TypeError} If neither an actor nor a queue is given, or the broker cannot purge.
   * @throws {RangeError} If a time is below 0, or `before` in the future.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancelAll(predicate: CancelPredicate, options: CancelAllOptions = {}): Promise<number> {
    const { purge = false, ...others } = options;
    if (purge) {
      if (others.keep) throw new TypeError("Cannot purge messages that are to be kept");
      await assertCanPurge(this.broker);
    }
    const before = await cancelMatching(this.broker, predicate, others);
    if (purge) {
      const { actor, queue } = predicate;
      await purgeCancelled(this.broker, {
        actorName: typeof actor === "string" ? actor : actor?.actorName,
        queueName: queue === undefined ? undefined : canonicalQueueName(queue),
        before,
        reason: others.reason ?? "cancelled",
      });
    }
    return before;
  }

  /**
   * Pauses a queue or an actor on all workers: within a second they start nothing of it any more.
   * What runs goes on, and sending goes on. It holds through restarts until it is resumed.
   *
   * Of a queue workers give back what they had fetched, and delayed messages arrive on it. Messages of
   * an actor are delayed whenever a worker gets to them, by as long as the pause has lasted, a second
   * to a minute, and others of the queue run. After a resume they come back when that delay is over.
   *
   * Or pauses one worker: it becomes quiet, starts nothing more, and finishes what runs. It stays
   * until it is resumed or stopped.
   *
   * Workers in Python go on: they do not hear of it. If there are some, that is logged as a warning.
   *
   * @param target The queue, the actor, or the worker.
   * @param options Until when, and why.
   * @returns Workers in Python that were heard of.
   * @throws {TypeError} If that is neither a valid queue name nor an actor.
   * @throws {RangeError} If `until` is not in the future.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async pause(target: PauseTarget, options: PauseOptions = {}): Promise<PauseOutcome> {
    return await storePause(this.broker, target, options);
  }

  /**
   * Resumes a queue, an actor or a worker.
   *
   * @param target The queue, the actor, or the worker.
   * @returns Whether it was paused.
   * @throws {TypeError} If that is neither a valid queue name nor an actor.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async resume(target: PauseTarget): Promise<boolean> {
    return await removePause(this.broker, target);
  }

  /**
   * Lists the queues and actors that are paused, and workers in Python that go on all the same.
   *
   * @returns The actors, then the queues, by name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async paused(): Promise<Pause[]> {
    return await readPauses(this.broker);
  }

  /**
   * Sets how many messages workers run at once, in place of what they were started with. Nothing
   * that runs is stopped: a worker that runs more starts none until it fits.
   *
   * Threads and processes are opened, and retire once they are idle, as whole ones.
   *
   * @param concurrency How many messages at once; `null` for what each was started with.
   * @param options Which worker. What is said to one wins over what is said to all.
   * @throws {TypeError} If the id is not a string.
   * @throws {RangeError} If it is not a whole number above 0.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async setConcurrency(
    concurrency: number | null,
    options: SetConcurrencyOptions = {},
  ): Promise<void> {
    await setConcurrency(this.broker, concurrency, options);
  }

  /**
   * Lists the workers of this library that are alive. One that was killed is listed for up to a
   * minute.
   *
   * @returns The workers, the one that started first first.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async workers(): Promise<WorkerReport[]> {
    return await readWorkers(this.broker);
  }

  /**
   * Lists the schedules that workers which are alive fire, and those that this process declares.
   *
   * @returns The schedules, by name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async schedules(): Promise<ScheduleReport[]> {
    return await readSchedules(this.broker);
  }

  /**
   * Pauses a schedule: no worker sends its messages until it is resumed. Its times are skipped
   * meanwhile. Messages that were sent stay.
   *
   * @param name The schedule.
   * @param options Why.
   * @throws {RangeError} If no schedule has that name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async pauseSchedule(name: string, options: PauseScheduleOptions = {}): Promise<void> {
    await pauseSchedule(this.broker, name, options);
  }

  /**
   * Resumes a schedule. What was due while it was paused is not made up.
   *
   * @param name The schedule.
   * @returns Whether it was paused.
   * @throws {RangeError} If no schedule has that name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async resumeSchedule(name: string): Promise<boolean> {
    return await resumeSchedule(this.broker, name);
  }

  /**
   * Sends the message of a schedule now, besides those that are due, also while it is paused or its
   * last message has not finished.
   *
   * @param name The schedule.
   * @returns The message.
   * @throws {RangeError} If no schedule has that name.
   * @throws {BrokerConnectionError} If the control store, or the broker, cannot be reached.
   */
  async trigger(name: string): Promise<Message> {
    return await triggerSchedule(this.broker, name);
  }

  /**
   * Lists the claims of unique messages. Some may be stale: their messages were settled by a worker
   * that knows nothing of claims. The next message of the key takes over such a claim.
   *
   * @param options Those of which actor.
   * @returns The claims, by key.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async claims(options: ClaimsOptions = {}): Promise<UniqueClaim[]> {
    return await readClaims(this.broker, options);
  }

  /**
   * Ends a claim: the next message of its key is sent, whatever became of the one before.
   *
   * @param key The key of a claim that {@linkcode Control.claims} gave.
   * @returns Whether it was there.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async release(key: string): Promise<boolean> {
    return await releaseClaim(this.broker, key);
  }

  /**
   * Lists the cancellations that are remembered.
   *
   * @returns The cancellations, in no particular order.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancellations(): Promise<Cancellation[]> {
    const { entries } = await this.broker.controlStore!.read(CANCEL_PREFIX);
    return entries.map(toCancellation).filter((one) => one !== undefined);
  }
}
