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
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
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
   * Drops waiting and delayed messages immediately, rather than when a worker receives them. Reads
   * all messages of the queue, which RabbitMQ cannot.
   *
   * @default {false}
   */
  purge?: boolean;
}

const CANCEL_ALL_OPTIONS: KnownOptions<CancelAllOptions> = {
  reason: true,
  grace: true,
  ttl: true,
  keep: "boolean",
  purge: "boolean",
};

/**
 * Controls all workers of a broker, from any process.
 *
 * Needs a broker with a control store, see `Broker.controlStore`. Commands are stored there and
 * also apply to workers that start later.
 *
 * @example Cancel messages that are no longer needed
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
 * await control.cancelAll({ actor: render }); // all messages sent before now
 * ```
 */
export class Control {
  /** The broker whose workers it controls. */
  readonly broker: Broker;

  /**
   * Stores the broker.
   *
   * @param broker The broker whose workers it controls.
   * @throws {TypeError} If it has no control store.
   */
  constructor(broker: Broker) {
    controlStoreOf(broker, "control workers");
    this.broker = broker;
  }

  /**
   * Cancels a message: it will not run, or is stopped if it is running.
   *
   * A running message is cancelled through its signal (`currentSignal()`). One that does not stop
   * within `grace` is killed, if its executor can do that.
   *
   * @param message The message, or its id. An unknown or finished message is ignored.
   * @param options The reason, and what happens to the message.
   * @throws {RangeError} If the id is empty, or a time below 0.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancel(message: Message | string, options: CancelOptions = {}): Promise<void> {
    const target = typeof message === "string" ? { messageId: message } : cancelTargetOf(message);
    await cancelMessages(this.broker, [target], options);
  }

  /**
   * Cancels all messages that match. They are not searched for: each is dropped when a worker
   * receives it. Messages made later are not cancelled.
   *
   * @param predicate An actor or a queue, or both.
   * @param options The reason, and what happens to the messages. With `purge`, waiting ones are
   *   dropped before this resolves.
   * @returns Messages made before this time are cancelled. In milliseconds since the epoch.
   * @throws {TypeError} If neither an actor nor a queue is given, or the broker cannot purge.
   * @throws {RangeError} If a time is below 0, or `before` in the future.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancelAll(predicate: CancelPredicate, options: CancelAllOptions = {}): Promise<number> {
    checkKnownOptions("cancel messages", options, CANCEL_ALL_OPTIONS);
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
   * Pauses a queue or an actor on all workers: within a second they start none of its messages any
   * more. Running messages finish, and sending is not affected. The pause outlasts restarts of
   * workers.
   *
   * Pausing a queue: workers requeue the messages of it that they had prefetched. Delayed messages
   * still arrive on the queue.
   *
   * Pausing an actor: other messages of its queue run. Whenever a worker receives a message of the
   * actor, it delays it by as long as the pause has lasted, at least a second and at most a minute.
   * After a resume the message arrives when that delay is over.
   *
   * Pausing one worker: it becomes quiet, starts no more messages, and finishes those that run. It
   * stays quiet until it is resumed or stopped.
   *
   * Workers in Python do not support pauses and continue. A warning is logged if there are any.
   *
   * @param target The queue, the actor, or the worker.
   * @param options The end of the pause, and its reason.
   * @returns The workers in Python that continue.
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
   * Lists the queues and actors that are paused, and the workers in Python that continue.
   *
   * @returns The actors, then the queues, by name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async paused(): Promise<Pause[]> {
    return await readPauses(this.broker);
  }

  /**
   * Sets how many messages workers run at once, instead of the number they were started with.
   * Running messages are not stopped: a worker that runs more than the new number starts none until
   * it runs fewer.
   *
   * Threads and processes of an executor are added at once, and removed once they are idle.
   *
   * @param concurrency Number of messages; `null` for the number each worker was started with.
   * @param options The worker. A number for one worker takes precedence over that for all.
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
   * Lists the workers of this library that are alive. A killed worker is listed for up to a minute.
   *
   * @returns The workers, by the time they started.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async workers(): Promise<WorkerReport[]> {
    return await readWorkers(this.broker);
  }

  /**
   * Lists the schedules of live workers, and those that this process declares.
   *
   * @returns The schedules, by name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async schedules(): Promise<ScheduleReport[]> {
    return await readSchedules(this.broker);
  }

  /**
   * Pauses a schedule: workers skip its times until it is resumed. Messages that were sent are not
   * affected.
   *
   * @param name The schedule.
   * @param options The reason.
   * @throws {RangeError} If no schedule has that name.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async pauseSchedule(name: string, options: PauseScheduleOptions = {}): Promise<void> {
    await pauseSchedule(this.broker, name, options);
  }

  /**
   * Resumes a schedule. Times that passed during the pause are not made up.
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
   * Sends a message of a schedule now, in addition to its times, and also while it is paused or its
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
   * Lists the claims of unique messages. Some may be stale: a worker that does not support claims,
   * such as one in Python, has settled their messages. The next message of the key takes over a
   * stale claim.
   *
   * @param options The actor.
   * @returns The claims, by key.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async claims(options: ClaimsOptions = {}): Promise<UniqueClaim[]> {
    return await readClaims(this.broker, options);
  }

  /**
   * Ends a claim: the next message of its key is sent, even if the last one has not finished.
   *
   * @param key The key of a claim from {@linkcode Control.claims}.
   * @returns Whether the claim existed.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async release(key: string): Promise<boolean> {
    return await releaseClaim(this.broker, key);
  }

  /**
   * Lists the cancellations that have not expired.
   *
   * @returns The cancellations, in no particular order.
   * @throws {BrokerConnectionError} If the control store cannot be reached.
   */
  async cancellations(): Promise<Cancellation[]> {
    const { entries } = await this.broker.controlStore!.read(CANCEL_PREFIX);
    return entries.map(toCancellation).filter((one) => one !== undefined);
  }
}
