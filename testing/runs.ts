import type { Broker } from "../core/broker.ts";
import type { SkipMessage } from "../core/errors.ts";
import type { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, Outcome, ProcessOutcome } from "../core/middleware.ts";
import { isExpected } from "../worker/job.ts";
import { outcomeOf } from "../worker/outcome.ts";
import type { Settled } from "./gate.ts";

/** Fields of an {@linkcode ActorRun}. */
interface RunFields {
  readonly message: Message;
  readonly outcome: Outcome;
  readonly result: unknown;
  readonly error: unknown;
  readonly retryDelay: number | undefined;
  readonly endedAt: number;
}

/** One run of an actor for one message, with the outcome. `R` is the result type of the actor. */
export class ActorRun<R = unknown> {
  /** The message, as it was delivered. */
  readonly message: Message<R>;
  /** Outcome of the message: `"done"`, `"retried"`, `"failed"`, `"skipped"` and so on. */
  readonly outcome: Outcome;
  /** Thrown value, or the reason of a skip; `undefined` if the actor returned. */
  readonly error: unknown;
  /** Milliseconds until the retry, or until the end of the snooze; `undefined` without one. */
  readonly retryDelay: number | undefined;
  /** When it ended, by the clock of the test, in milliseconds since the epoch. */
  readonly endedAt: number;
  readonly #result: unknown;

  /** @internal Made by a `TestBroker`. */
  constructor({ message, outcome, result, error, retryDelay, endedAt }: RunFields) {
    this.message = message as Message<R>;
    this.outcome = outcome;
    this.error = error;
    this.retryDelay = retryDelay;
    this.endedAt = endedAt;
    this.#result = result;
  }

  /** Name of the actor. */
  get actorName(): string {
    return this.message.actorName;
  }

  /** Number of this attempt, from 1 on. */
  get attempt(): number {
    const retries = this.message.option("retries");
    return typeof retries === "number" ? retries + 1 : 1;
  }

  /**
   * Result of the actor.
   *
   * @throws The error that the actor threw, with its stack, or the reason of a skip.
   */
  get result(): R {
    if (this.outcome === "done") return this.#result as R;
    throw this.error ?? new Error(`Cannot get the result of ${this}: it ${this.outcome}`);
  }

  /** For people to read: `add(1, 2): done`. */
  toString(): string {
    return `${this.message}: ${this.outcome}`;
  }
}

/** End of an actor, before its delivery is settled. */
interface ActorEnd {
  readonly outcome: Outcome;
  readonly result?: unknown;
  readonly error: unknown;
}

/** A run that has ended. */
export interface EndedRun {
  readonly run: ActorRun;
  /** True for an unexpected error. Expected are `Retry`, `Snooze` and those in `throws`. */
  readonly isFault: boolean;
  /** True if an earlier listener has claimed it. */
  readonly isClaimed: boolean;
}

/** Listener to runs; returns true to claim the run. */
export type RunListener = (ended: EndedRun) => boolean;

/**
 * Middleware that records how actors end. It must be the first of its broker: then its `after…`
 * hooks run last, after all others have had their effect.
 */
export class RunLog implements Middleware {
  readonly #ends: WeakMap<MessageProxy, ActorEnd> = new WeakMap();
  /** Delays of retries, by message id, until their attempts are settled. */
  readonly #retryDelays: Map<string, number> = new Map();
  readonly #onActorEnd: () => void;
  readonly #listeners: Set<RunListener> = new Set();

  /** @param onActorEnd Called when an actor has ended, before its message is settled. */
  constructor(onActorEnd: () => void) {
    this.#onActorEnd = onActorEnd;
  }

  /** Records the result or the error of an actor. */
  afterProcessMessage(
    _: Broker,
    message: MessageProxy,
    { result, exception }: ProcessOutcome,
  ): void {
    const outcome = outcomeOf(message, "processed");
    this.#ends.set(message, { outcome, result, error: exception });
    this.#onActorEnd();
  }

  /** Records why an actor was skipped. */
  afterSkipMessage(
    _: Broker,
    message: MessageProxy,
    reason: SkipMessage | Cancelled | WorkerLost,
  ): void {
    this.#ends.set(message, { outcome: outcomeOf(message, "skipped", reason), error: reason });
    this.#onActorEnd();
  }

  /** Records the delay of a retry or a snooze. */
  delayed({ messageId }: Message, delay: number): void {
    this.#retryDelays.set(messageId, delay);
  }

  /**
   * Subscribes to ended runs.
   *
   * @param listener Called with each.
   * @returns A function that unsubscribes.
   */
  listen(listener: RunListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the run of a delivery that was settled. */
  settled(broker: Broker, delivery: MessageProxy, message: Message, how: Settled): void {
    Message.sentBy(broker, message); // so that `message.getResult` works
    const end = this.#ends.get(delivery);
    const outcome = outcomeAs(how, delivery, end?.outcome);
    const error = end?.error ?? (outcome === "done" ? undefined : delivery.exception);
    const retryDelay = this.#retryDelays.get(message.messageId);
    this.#retryDelays.delete(message.messageId);
    const endedAt = broker.clock.now();
    const result = end?.result;
    const run = new ActorRun({ message, outcome, result, error, retryDelay, endedAt });
    const isFault = isFaulty(broker, run);
    let isClaimed = false;
    for (const listener of [...this.#listeners]) {
      if (listener({ run, isFault, isClaimed })) isClaimed = true;
    }
  }
}

/** The outcome that agrees with the settlement: later hooks may have changed it after `atEnd`. */
function outcomeAs(how: Settled, delivery: MessageProxy, atEnd: Outcome | undefined): Outcome {
  if (how === "requeue") {
    return atEnd === undefined || atEnd === "lost" ? "lost" : "followUpNotStored";
  }
  if (how === "ack") return atEnd ?? "done";
  if (atEnd === undefined) return outcomeOf(delivery, "refused");
  return atEnd === "done" || atEnd === "retried" ? "failed" : atEnd;
}

function isFaulty(broker: Broker, { outcome, error, actorName }: ActorRun): boolean {
  if (outcome === "unknownActor" || outcome === "undecodable") return true;
  if (error === undefined || (outcome !== "failed" && outcome !== "retried")) return false;
  const actor = broker.actors.get(actorName);
  return actor === undefined || !isExpected(actor, error);
}
