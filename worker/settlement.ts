import type { Broker } from "../core/broker.ts";
import { pause, type Timer } from "../platform/clock.ts";
import type { Consumer } from "../core/consumer.ts";
import {
  ActorNotFound,
  BrokerConnectionError,
  FollowUpNotStored,
  MiddlewareError,
} from "../core/errors.ts";
import { errorMessage, shorten } from "../platform/thrown.ts";
import { about, getLogger } from "../platform/logging.ts";
import { Notifier } from "../platform/notifier.ts";
import { UndecodableMessage } from "../core/undecodable_message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Outcome } from "../core/middleware.ts";
import { counted } from "../platform/counted.ts";
import { runInMicrotask } from "../platform/microtask.ts";

const log = /* @__PURE__ */ getLogger("worker", "settlement");

type Verb = "ack" | "nack" | "requeue";

/** Milliseconds before a message whose follow-up could not be stored is requeued. */
const PAUSE_BEFORE_REQUEUE = 1_000;

/** Milliseconds without progress after which a stopping worker waits for no more acknowledgements. */
const LONGEST_SETTLING = 5_000;

/** The consumer loop that owns a settlement. */
export interface SettlementOwner {
  /** Messages were settled: there is room for others. */
  roomMade(): void;
  /** The consumer failed to settle messages, and will not be able to settle the rest. */
  consumerFailed(error: unknown): void;
  /** Stops receiving: the worker cannot start the messages that it has. */
  pauseReceiving?(): void;
  /** Receives again after {@linkcode SettlementOwner.pauseReceiving}. */
  resumeReceiving?(): void;
}

/**
 * Settles the messages of one consumer. Nothing else decides whether an outcome means ack, nack or
 * requeue.
 *
 * Messages settled in one turn of the event loop are passed to the consumer in one call.
 */
export class Settlement {
  readonly #broker: Broker;
  readonly #consumer: Consumer;
  readonly #owner: SettlementOwner;
  readonly #batches: Record<Verb, MessageProxy[]> = { ack: [], nack: [], requeue: [] };
  #flushScheduled = false;
  /** Messages to mark in the next call, and the result of that call. */
  #beginning: { messages: MessageProxy[]; begun: Promise<readonly MessageProxy[]> } | undefined;
  #isStale = false;
  /** Messages to requeue after a pause. */
  readonly #paused: Map<MessageProxy, Timer> = new Map();
  #unsettled = 0;
  /** Pending flushes and hooks. */
  #pending = 0;
  readonly #flushes: Notifier = new Notifier();
  /** Pending calls of the consumer, and the number of calls that have ended. */
  #calls = 0;
  #endedCalls = 0;
  #isStuck = false;

  /**
   * Makes a settlement with no messages.
   *
   * @param broker The broker, for its hooks.
   * @param consumer The consumer that the messages came from.
   * @param owner Is notified of room, and of a failed consumer.
   */
  constructor(broker: Broker, consumer: Consumer, owner: SettlementOwner) {
    this.#broker = broker;
    this.#consumer = consumer;
    this.#owner = owner;
  }

  /** True if the consumer is lost: the broker delivers its messages again. */
  get isStale(): boolean {
    return this.#isStale || this.#consumer.isLost;
  }

  /** Notes that the consumer is lost. */
  abandon(): void {
    this.#isStale = true;
    this.#endPauses();
  }

  /** Number of messages that were received and not settled. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Counts received messages. */
  received(count: number): void {
    this.#unsettled += count;
  }

  /** Stops counting a message of a lost consumer, which the broker delivers again. */
  dropped(): void {
    this.#unsettled -= 1;
    this.#owner.roomMade();
  }

  /** Stops receiving from this queue until {@linkcode Settlement.resumeReceiving}. */
  pauseReceiving(): void {
    this.#owner.pauseReceiving?.();
  }

  /** Receives from this queue again. */
  resumeReceiving(): void {
    this.#owner.resumeReceiving?.();
  }

  /**
   * Marks a message that is about to run, see `Consumer.begin`.
   *
   * @param message The message.
   * @returns Whether it still belongs to the consumer.
   */
  async begin(message: MessageProxy): Promise<boolean> {
    let batch = this.#beginning;
    if (batch === undefined) {
      const messages: MessageProxy[] = [];
      // Messages that start in the same turn share one call.
      const begun = Promise.resolve().then(() => {
        this.#beginning = undefined;
        return this.isStale ? [] : this.#consumer.begin(messages);
      });
      this.#beginning = batch = { messages, begun };
    }
    batch.messages.push(message);
    return (await batch.begun).includes(message);
  }

  /** Settles a message as its outcome demands. */
  settle(message: MessageProxy, outcome: Outcome): void {
    switch (outcome) {
      case "done": // All that follows from it is stored: result, callbacks, the next of a pipeline.
        return this.#conclude("ack", message);
      case "retried": // Its retry is stored, and takes its place.
        return this.#conclude("ack", message);
      case "skipped": // A middleware, or the actor, wants it dropped.
        return this.#conclude("ack", message);
      case "skippedAndFailed": // A middleware wants it kept, but not run: past its age, for example.
        return this.#conclude("nack", message);
      case "cancelled": // Dropped, or kept as a dead letter if the cancellation says so.
        return this.#conclude(message.failed ? "nack" : "ack", message);
      case "failed": // No attempt is left, or none would help.
        return this.#conclude("nack", message);
      case "unknownActor": // It can be requeued once the actor is declared.
        message.fail();
        message.stuffException(
          new ActorNotFound(
            `Cannot find actor "${shorten(message.actorName, 200)}": it is not declared here`,
          ),
        );
        return this.#conclude("nack", message);
      case "undecodable": // Without hooks: there is no message, only bytes to keep.
        message.stuffException((message.message as UndecodableMessage).error);
        logUndecodable(message);
        return this.#add("nack", message);
      case "followUpNotStored": // The server was unavailable: it runs again later.
        return this.#requeueLater(message);
      case "lost": // Its worker or thread was lost: it runs again, and its retries stay the same.
        return this.#add("requeue", message);
    }
  }

  /** Resolves when all settled messages have reached the broker. */
  async flushed(): Promise<void> {
    for (const message of this.#endPauses()) this.#add("requeue", message);
    if (this.#flushScheduled) this.#flush();
    while (this.#pending > 0) await this.#flushes.next();
  }

  /**
   * As {@linkcode flushed}, for a worker that stops: ends when no call of the consumer has ended for
   * five seconds. Its server is unavailable then, and delivers the messages again.
   *
   * @param gaveUp Ends the wait when it resolves.
   */
  async flushedAtLast(gaveUp: Promise<void>): Promise<void> {
    const end = new AbortController();
    const over = Promise.race([this.flushed(), gaveUp]).then(() => end.abort());
    while (!end.signal.aborted && !this.#isStuck) {
      const [calls, endedCalls] = [this.#calls, this.#endedCalls];
      await Promise.race([over, pause(this.#broker.clock, LONGEST_SETTLING, end.signal)]);
      this.#isStuck = !end.signal.aborted && calls > 0 && this.#endedCalls === endedCalls;
    }
  }

  #conclude(verb: "ack" | "nack", message: MessageProxy): void {
    const hook = verb === "ack" ? "beforeAck" : "beforeNack";
    let before: void | Promise<void> = undefined;
    try {
      before = this.#broker.emit(hook, message);
    } catch (error) {
      return this.#concludeAgainst(error, verb, message);
    }
    if (before === undefined) return this.#add(verb, message);
    this.#track(before.then(
      () => this.#add(verb, message),
      (error) => this.#concludeAgainst(error, verb, message),
    ));
  }

  /**
   * A failed middleware does not keep a message from being settled, or it would stay unacknowledged
   * for ever. If a follow-up could not be stored, the message is requeued and tries again.
   */
  #concludeAgainst(error: unknown, verb: "ack" | "nack", message: MessageProxy): void {
    if (!(error instanceof MiddlewareError) && !(error instanceof FollowUpNotStored)) throw error;
    if (error instanceof FollowUpNotStored && error.cause instanceof BrokerConnectionError) {
      log.error("Failed to finish message {messageId} of {actor}: {reason}", about(message, error));
      return this.#requeueLater(message);
    }
    log.error(
      "Settled message {messageId} of {actor} ({verb}) despite a failed middleware: {reason}",
      {
        ...about(message, error),
        verb,
      },
    );
    this.#add(verb, message);
  }

  /** After a pause: requeued at once, the message would run in a tight loop. */
  #requeueLater(message: MessageProxy): void {
    const timer = this.#broker.clock.setTimer(() => {
      this.#paused.delete(message);
      this.#add("requeue", message);
    }, PAUSE_BEFORE_REQUEUE);
    this.#paused.set(message, timer);
  }

  /** Ends all pauses. Messages that are not requeued now are when the consumer closes. */
  #endPauses(): MessageProxy[] {
    const messages = [...this.#paused.keys()];
    for (const timer of this.#paused.values()) this.#broker.clock.clearTimer(timer);
    this.#paused.clear();
    return messages;
  }

  #add(verb: Verb, message: MessageProxy): void {
    this.#batches[verb].push(message);
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    runInMicrotask(() => {
      if (this.#flushScheduled) this.#flush();
    });
  }

  #flush(): void {
    this.#flushScheduled = false;
    for (const verb of ["ack", "nack", "requeue"] as const) {
      const batch = this.#batches[verb];
      if (batch.length === 0) continue;
      this.#batches[verb] = [];
      this.#unsettled -= batch.length;
      this.#track(this.#send(verb, batch));
    }
    this.#owner.roomMade();
  }

  async #send(verb: Verb, batch: readonly MessageProxy[]): Promise<void> {
    this.#calls += 1;
    try {
      await this.#consumer[verb](batch);
    } catch (error) {
      // Without an acknowledgement the broker delivers them again.
      log.error(
        counted(
          batch.length,
          "Failed to {verb} {count} message(s) of {queue}, which will be delivered again: {reason}",
        ),
        {
          verb,
          count: batch.length,
          queue: this.#consumer.queueName,
          reason: errorMessage(error),
          error,
        },
      );
      if (!this.#isStale) this.#owner.consumerFailed(error);
      return;
    } finally {
      this.#calls -= 1;
      this.#endedCalls += 1;
    }
    if (verb === "requeue") return;
    const settled = verb === "ack" ? "afterAck" : "afterNack";
    if (!this.#broker.hasHook(settled) && !this.#broker.hasHook("afterUndecodable")) return;
    for (const message of batch) {
      const isMessage = !(message.message instanceof UndecodableMessage);
      const after = this.#broker.emit(isMessage ? settled : "afterUndecodable", message);
      if (after !== undefined) await after;
    }
  }

  #track(work: Promise<void>): void {
    this.#pending += 1;
    work.finally(() => {
      this.#pending -= 1;
      if (this.#pending === 0) this.#flushes.notify();
    });
  }
}

function logUndecodable({ queueName, message }: MessageProxy): void {
  const { error } = message as UndecodableMessage;
  log.error('Dead-lettered an undecodable message on "{queue}": {reason}', {
    queue: queueName,
    reason: error.message,
    error,
  });
}
