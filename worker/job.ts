import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { markKept } from "../core/cancellation.ts";
import { PoisonMessage, RateLimitExceeded, Retry, SkipMessage } from "../core/errors.ts";
import { Snooze } from "../core/snooze.ts";
import { isInstanceOfAny, toThrown } from "../platform/thrown.ts";
import { Cancelled, type Interrupt, Shutdown, WorkerLost } from "../core/interrupt.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { deathsOf, isBlamed, maxDeathsOf } from "../core/suspicion.ts";
import type { IndexedSetItem } from "../platform/indexed_set.ts";
import type { Executor, Run } from "./executors/executor.ts";
import type { Outcome } from "../core/middleware.ts";
import { outcomeOf } from "./outcome.ts";
import type { Settlement } from "./settlement.ts";
import { warnOfUnstoredResult } from "./unstored_result.ts";

const log = /* @__PURE__ */ getLogger("worker");

/** The dispatcher that owns a job. */
export interface JobOwner {
  /** The broker, for its hooks. */
  readonly broker: Broker;
  /** Executor of actors. */
  readonly executor: Executor;
  /** Called for a job that must run alone, and has not begun: start it again. */
  blamed(job: Job): void;
  /** Called when a job has ended. */
  finished(job: Job, outcome: Outcome): void;
}

/**
 * The processing of one message:
 *
 * start ─▶ before hooks ─▶ executor ─▶ succeed | fail ─▶ after hooks ─▶ outcome
 *   │                └── skipped ────────────────────▶ skip hooks ──┘
 *   └─ a suspect: marked first, then as above; or refused, and its actor does not run
 *
 * The steps are callbacks, not one asynchronous function. A message whose hooks and actor are
 * synchronous needs no promise, and an abandoned one can go on although its actor never ends.
 */
export class Job implements Run, IndexedSetItem {
  /** Message to run. */
  readonly message: MessageProxy;
  /** Its actor. */
  readonly actor: Actor;
  /** Settlement of the message. */
  readonly settlement: Settlement;
  /** Index in the set of running jobs. */
  setIndex = -1;
  /** Period of the `WaitLimit` in which it began to wait. */
  waitsSince = 0;
  readonly #owner: JobOwner;
  /** The cancellation, if it was cancelled. */
  #cancelled: Cancelled | undefined;
  /** Why its actor must not run, if too many workers have died with it. */
  #refused: SkipMessage | undefined;
  #phase: "before" | "running" | "after" | "ended" = "before";

  constructor(owner: JobOwner, message: MessageProxy, actor: Actor, settlement: Settlement) {
    this.#owner = owner;
    this.message = message;
    this.actor = actor;
    this.settlement = settlement;
  }

  /** True if the message may have been delivered to another consumer. */
  get isStale(): boolean {
    return this.settlement.isStale;
  }

  /** Runs the hooks and the actor; a message that a dead worker had in flight is marked first. */
  start(): void {
    this.message.onInterrupt = this;
    if (this.message.suspicion !== undefined && this.#cancelled === undefined) this.#begin();
    else this.#beforeProcess();
  }

  #begin(): void {
    const wasBlamed = isBlamed(this.message);
    this.settlement.begin(this.message).then((isBegun) => {
      if (this.#isOver) return;
      if (!isBegun || this.isStale) return this.#abandon(); // before any hook was called
      if (isBlamed(this.message) && !wasBlamed) return this.#owner.blamed(this);
      this.#refusePoison();
      this.#beforeProcess();
    }, (error) => {
      log.error(
        "Failed to begin message {messageId} of {actor}: {reason}",
        about(this.message, error),
      );
      if (!this.#isOver) this.#abandon();
    });
  }

  /** Refuses to run the actor if too many workers have died with the message. */
  #refusePoison(): void {
    const { message } = this;
    const deaths = deathsOf(message);
    if (deaths < maxDeathsOf(this.#owner.broker, message)) return;
    const notes = message.suspicion?.notes ?? "";
    const reason = `${deaths} ${deaths === 1 ? "worker" : "workers"} died while it ran` +
      (notes === "" ? "" : `: ${notes}`);
    const error = new PoisonMessage(reason, { deaths });
    log.error("Gave up message {messageId} of {actor}: {reason}", about(message, error));
    message.fail();
    message.stuffException(error);
    this.#refused = new SkipMessage(reason, { cause: error });
  }

  #beforeProcess(): void {
    const { broker } = this.#owner;
    let before: void | Promise<void> = undefined;
    try {
      before = broker.emit("beforeProcessMessage", this.message);
    } catch (error) {
      return this.fail(error);
    }
    if (before === undefined) return this.#run();
    before.then(() => this.#runLater(), (error) => this.fail(error));
  }

  /** As `start`, but the actor does not run. */
  cancel(reason: Cancelled): void {
    this.#cancelled = reason;
    this.message.interrupt(reason);
    this.start();
  }

  /** Stops it, wherever it is: see `MessageProxy.interrupt`. */
  interrupted(reason: Interrupt, grace: number): void {
    if (reason instanceof Cancelled && !this.#isOver) this.#cancelled ??= reason;
    if (this.#phase === "running") this.#owner.executor.interrupt(this, reason, grace);
    // Hooks have no signal: the message fails at once.
    else if (this.#phase === "before" && grace !== Infinity) this.fail(reason);
    // The worker waits for hooks no longer.
    else if (this.#phase === "after" && reason instanceof WorkerLost) this.#abandon();
  }

  /** The actor returned. */
  succeed(result: unknown): void {
    if (this.#isOver) return;
    this.#phase = "after";
    if (result !== undefined && result !== null) {
      warnOfUnstoredResult(this.#owner.broker, this.message, this.actor);
    }
    this.#afterProcess(result, undefined);
  }

  /** The actor threw, a hook refused the message, or the actor was given up. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#phase = "after";
    const { message } = this;
    // `throw undefined` is a failure like any other.
    const exception = toThrown(error, `Actor ${message.actorName}`);
    // A cancelled message never runs again, whatever its actor throws.
    if (this.#cancelled !== undefined) return this.#skip(this.#cancelled);
    if (
      exception instanceof SkipMessage || exception instanceof WorkerLost ||
      exception instanceof Cancelled
    ) return this.#skip(exception);
    message.stuffException(exception);
    const text = "Message {messageId} of {actor} failed: {reason}";
    // Each deployment would raise an alert otherwise; the message is retried.
    const isNormal = exception instanceof Shutdown || isExpected(this.actor, exception);
    if (isNormal) log.info(text, about(message, exception));
    else log.error(text, about(message, exception));
    this.#afterProcess(undefined, exception);
  }

  /** True if the actor has settled, or was abandoned. */
  get #isOver(): boolean {
    return this.#phase === "after" || this.#phase === "ended";
  }

  /** Runs the actor after asynchronous hooks, unless the message was lost meanwhile. */
  #runLater(): void {
    if (!this.isStale || this.#isOver) return this.#run();
    this.fail(
      new WorkerLost(`Message ${this.message.messageId} may be with another worker by now`),
    );
  }

  #run(): void {
    if (this.#isOver) return; // abandoned during a hook
    const { message } = this;
    if (this.#refused !== undefined && this.#cancelled === undefined) {
      return this.fail(this.#refused);
    }
    // A hook may have called `message.fail()` without throwing.
    if (message.failed && this.#cancelled === undefined) return this.succeed(undefined);
    if (message.interruptReason !== undefined) return this.fail(message.interruptReason);
    this.#phase = "running";
    this.#owner.executor.run(this);
  }

  #afterProcess(result: unknown, exception: unknown): void {
    const { message } = this;
    let after: void | Promise<void> = undefined;
    try {
      after = this.#owner.broker.emit("afterProcessMessage", message, { result, exception });
    } catch (error) {
      return this.#unfinished(error);
    }
    if (after === undefined) return this.#end(outcomeOf(message, "processed"));
    after.then(
      () => this.#end(outcomeOf(message, "processed")),
      (error) => this.#unfinished(error),
    );
  }

  /** A follow-up (retry, result, callback) could not be stored. */
  #unfinished(error: unknown): void {
    const { message } = this;
    log.error("Failed to finish message {messageId} of {actor}: {reason}", about(message, error));
    const outcome = outcomeOf(message, "unfinished", error);
    if (outcome === "failed") {
      message.fail();
      message.stuffException(error);
    }
    this.#end(outcome);
  }

  #abandon(): void {
    this.#end(outcomeOf(this.message, "abandoned"));
  }

  #skip(reason: SkipMessage | WorkerLost | Cancelled): void {
    const { message } = this;
    const isCancelled = reason instanceof Cancelled;
    if (isCancelled) {
      log.info("Cancelled message {messageId} of {actor}: {reason}", about(message, reason));
    } else log.info("Skipped message {messageId} of {actor}: {reason}", about(message, reason));
    if (isCancelled && reason.keep) {
      message.fail();
      message.stuffException(reason);
      markKept(message);
    }
    const outcome = outcomeOf(message, "skipped", reason);
    // The reason is visible in the dead letter, and to `join` of a StubBroker.
    if (outcome === "skippedAndFailed" && message.exception === undefined) {
      message.stuffException(reason);
    }
    const unstored = (error: unknown) =>
      outcome === "lost" ? this.#end(outcome) : this.#unfinished(error);
    let after: void | Promise<void> = undefined;
    try {
      after = this.#owner.broker.emit("afterSkipMessage", message, reason);
    } catch (error) {
      return unstored(error);
    }
    if (after === undefined) return this.#end(outcome);
    after.then(() => this.#end(outcome), unstored);
  }

  #end(outcome: Outcome): void {
    if (this.#phase === "ended") return; // abandoned meanwhile
    this.#phase = "ended";
    this.message.onInterrupt = undefined;
    this.#owner.finished(this, outcome);
  }
}

/** True if an error is expected of an actor: it is logged at level info. */
export function isExpected({ options }: Actor, error: unknown): boolean {
  return error instanceof Retry || error instanceof Snooze || error instanceof RateLimitExceeded ||
    isInstanceOfAny(error, options["throws"]);
}

/** Requeues a message that has not begun. */
export function returnToQueue({ message, settlement }: Job): void {
  if (settlement.isStale) settlement.dropped(); // it is delivered again, maybe to another worker
  else settlement.settle(message, "lost");
}
