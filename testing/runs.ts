import type { Broker } from "../core/broker.ts";
import type { SkipMessage } from "../core/errors.ts";
import type { Cancelled, WorkerLost } from "../core/interrupt.ts";
import { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, Outcome, ProcessOutcome } from "../core/middleware.ts";
import { isExpected } from "../worker/job.ts";
import { outcomeOf } from "../worker/outcome.ts";
import type { Settled } from "./gate.ts";

/** Record of a run of an actor; see {@linkcode ActorRun}. */
interface RunFields {
  readonly message: Message;
  readonly outcome: Outcome;
  readonly result: unknown;
  readonly error: unknown;
  readonly retryDelay: number | undefined;
  readonly endedAt: number;
}

/** One run of an actor for one message, with what became of it. `R` is what the actor returns. */
export class ActorRun<R = unknown> {
  /** The message, as it was delivered. */
  readonly message: Message<R>;
  /** Outcome of the message: `"done"`, `"retried"`, `"failed"`, `"skipped"` and so on. */
  readonly outcome: Outcome;
  /** Thrown value, or the reason of a skip; `undefined` if the actor returned. */
  readonly error: unknown;
  /** Milliseconds until the retry, or the end of the snooze, if there is one. */
  readonly retryDelay: number | undefined;
  /** When it ended, by the time of the test, in milliseconds since the epoch. */
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

  /** The actor. */
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
   * @throws What the actor threw, or why it was skipped: a failure shows with its own stack.
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

/** Notes of the hooks on a delivery. */
interface Told {
  readonly outcome: Outcome;
  readonly result?: unknown;
  readonly error: unknown;
}

/**
 * Gets a run, whether its error is a fault of the program rather than expected, as `Retry`, `Snooze`
 * and those in `throws` are, and whether a listener before has taken it. Returns true to take it.
 */
export type RunListener = (run: ActorRun, isFault: boolean, isTaken: boolean) => boolean;

/**
 * Middleware that notes how actors end. It is the first of its broker, so that its `after…` hooks
 * are called last, when all others have decided.
 */
export class RunLog implements Middleware {
  readonly #told: WeakMap<MessageProxy, Told> = new WeakMap();
  /** Delays of retries, by message id, until their attempts are settled. */
  readonly #retryDelays: Map<string, number> = new Map();
  readonly #ended: () => void;
  readonly #listeners: Set<RunListener> = new Set();

  /** @param ended Called when an actor has ended, and its message is not settled yet. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** Notes what an actor returned or threw. */
  afterProcessMessage(
    _: Broker,
    message: MessageProxy,
    { result, exception }: ProcessOutcome,
  ): void {
    const outcome = outcomeOf(message, "processed");
    this.#told.set(message, { outcome, result, error: exception });
    this.#ended();
  }

  /** Notes why an actor was skipped. */
  afterSkipMessage(
    _: Broker,
    message: MessageProxy,
    reason: SkipMessage | Cancelled | WorkerLost,
  ): void {
    this.#told.set(message, { outcome: outcomeOf(message, "skipped", reason), error: reason });
    this.#ended();
  }

  /** Notes that a message is stored again, to run later. */
  delayed({ messageId }: Message, delay: number): void {
    this.#retryDelays.set(messageId, delay);
  }

  /**
   * Calls back for each run that ends.
   *
   * @param listener Gets the run.
   * @returns Ends the calls.
   */
  listen(listener: RunListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A delivery was settled: its run has ended. */
  settled(broker: Broker, delivery: MessageProxy, message: Message, how: Settled): void {
    Message.sentBy(broker, message); // its result is to be had there
    const told = this.#told.get(delivery);
    const outcome = outcomeAs(how, delivery, told?.outcome);
    const error = told?.error ?? (outcome === "done" ? undefined : delivery.exception);
    const retryDelay = this.#retryDelays.get(message.messageId);
    this.#retryDelays.delete(message.messageId);
    const endedAt = broker.clock.now();
    const result = told?.result;
    const run = new ActorRun({ message, outcome, result, error, retryDelay, endedAt });
    const isFault = isFaulty(broker, run);
    let isTaken = false;
    for (const listener of [...this.#listeners]) {
      if (listener(run, isFault, isTaken)) isTaken = true;
    }
  }
}

/** The outcome that fits what the queue was told: hooks may have ended differently since. */
function outcomeAs(how: Settled, delivery: MessageProxy, told: Outcome | undefined): Outcome {
  if (how === "requeue") {
    return told === undefined || told === "lost" ? "lost" : "followUpNotStored";
  }
  if (how === "ack") return told ?? "done";
  if (told === undefined) return outcomeOf(delivery, "refused");
  return told === "done" || told === "retried" ? "failed" : told;
}

function isFaulty(broker: Broker, { outcome, error, actorName }: ActorRun): boolean {
  if (outcome === "unknownActor" || outcome === "undecodable") return true;
  if (error === undefined || (outcome !== "failed" && outcome !== "retried")) return false;
  const actor = broker.actors.get(actorName);
  return actor === undefined || !isExpected(actor, error);
}
