import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { monotonicTime, type Timer } from "../platform/clock.ts";
import { TimeLimitExceeded } from "../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { WorkerInfo } from "../core/middleware.ts";
import type { Middleware } from "../core/middleware.ts";
import { checkNumberOption, numberOption, type NumberRule } from "./options.ts";

const log = /* @__PURE__ */ getLogger("middleware", "TimeLimit");

const RULE: NumberRule = { least: 0, isExclusive: true };

/** Options for {@linkcode TimeLimit}. */
export interface TimeLimitOptions {
  /**
   * Milliseconds that an actor may run; `Infinity` for no limit. The option `timeLimit` of the actor or
   * of the message overrides it.
   *
   * @default {600_000}
   */
  timeLimit?: number;
  /**
   * Milliseconds that an actor gets to end after its signal has aborted.
   *
   * @default {1_000}
   */
  grace?: number;
}

const KNOWN_OPTIONS: KnownOptions<TimeLimitOptions> = {
  timeLimit: "number",
  grace: "number",
};

/**
 * Stops actors that run too long: at the limit their `currentSignal()` aborts with
 * `TimeLimitExceeded`, and after the grace period they are abandoned. Either way the message fails
 * with that error and is retried by the usual rules.
 *
 * In a thread or process an abandoned actor is killed, and other messages that ran there run again.
 * On the event loop (`executor: inline`) it cannot be killed: it continues in the background, which
 * is logged.
 *
 * One timer serves all running messages. It is set for the nearest deadline and stays set when that
 * message ends in time: when it fires, it checks the running messages, which are few, and is set
 * for the next deadline.
 *
 * Add it before the worker starts.
 *
 * @example A minute for all actors, and ten for one
 * ```ts
 * import { actor, defaultMiddleware, StubBroker, TimeLimit } from "@dq/dramatiq";
 *
 * const middleware = defaultMiddleware().map((one) =>
 *   one instanceof TimeLimit ? new TimeLimit({ timeLimit: 60_000 }) : one
 * );
 * const broker = new StubBroker({ middleware });
 * actor(function report() {}, { broker, timeLimit: 600_000 });
 * ```
 */
export class TimeLimit implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["timeLimit"];
  /** Milliseconds for actors without the option `timeLimit`. */
  readonly timeLimit: number;
  readonly #grace: number;
  readonly #workers: Set<WorkerInfo> = new Set();
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /**
   * Sets the limit.
   *
   * @param options The limit for actors without the option.
   * @throws {TypeError} If one is not a number.
   * @throws {RangeError} If `timeLimit` is not above 0, or `grace` below 0.
   */
  constructor(options: TimeLimitOptions = {}) {
    assertKnownOptions("TimeLimit", options, KNOWN_OPTIONS);
    const { timeLimit = 600_000, grace = 1_000 } = options;
    if (!(timeLimit > 0)) {
      throw new RangeError(`Cannot limit time to ${timeLimit} ms: it must be above 0`);
    }
    if (!(grace >= 0)) {
      throw new RangeError(`Cannot use grace ${grace}: it must be 0 or more`);
    }
    this.timeLimit = timeLimit;
    this.#grace = grace;
  }

  /** Refuses an invalid limit. */
  checkActorOptions(actor: Actor): void {
    checkNumberOption(actor, "timeLimit", RULE);
  }

  /** Notes a worker, whose running messages are checked. */
  beforeWorkerBoot(_broker: Broker, worker: WorkerInfo): void {
    this.#workers.add(worker);
  }

  /** Sets the deadline of a message. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    const timeLimit = numberOption(broker, message, "timeLimit", this.timeLimit, RULE);
    if (timeLimit === Infinity) return;
    message.timeLimit = timeLimit;
    message.deadline = monotonicTime(broker.clock) + timeLimit;
    // Without a worker, nothing runs: the message is purged.
    if (message.deadline < this.#timerAt && this.#workers.size > 0) {
      this.#setTimer(broker, message.deadline);
    }
  }

  /** Clears the timer, unless another worker of the broker needs it. */
  afterWorkerShutdown(broker: Broker, worker: WorkerInfo): void {
    this.#workers.delete(worker);
    if (this.#workers.size === 0) this.#setTimer(broker, Infinity);
  }

  #setTimer(broker: Broker, deadline: number): void {
    if (this.#timer !== undefined) broker.clock.clearTimer(this.#timer);
    this.#timerAt = deadline;
    this.#timer = deadline === Infinity ? undefined : broker.clock.setTimer(
      () => this.#check(broker),
      deadline - monotonicTime(broker.clock),
    );
  }

  #check(broker: Broker): void {
    const now = monotonicTime(broker.clock);
    let nearest = Infinity;
    for (const worker of this.#workers) {
      for (const message of worker.running) {
        if (message.deadline <= now) this.#stop(message);
        // An interrupted message may run again in another thread or process, with a new deadline.
        const { deadline, timeLimit } = message;
        nearest = Math.min(nearest, deadline === Infinity ? now + timeLimit : deadline);
      }
    }
    this.#setTimer(broker, nearest);
  }

  #stop(message: MessageProxy): void {
    message.deadline = Infinity;
    log.warn(
      "Interrupting message {messageId} of {actor}: it is past its time limit",
      about(message),
    );
    message.interrupt(
      new TimeLimitExceeded(`Message ${message.messageId} of ${message.actorName} ran too long`),
      { grace: this.#grace },
    );
  }
}
