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

const log = /* @__PURE__ */ getLogger("worker", "settlement");

type Verb = "ack" | "nack" | "requeue";

/** Milliseconds in which a server may come back. */
const PAUSE_BEFORE_REQUEUE = 1_000;

/** Milliseconds in which a broker takes what was settled before a stop no longer waits for it. */
const LONGEST_SETTLING = 5_000;

/** Owner of a settlement: a consumer loop. */
export interface SettlementOwner {
  /** Something was settled. */
  roomMade(): void;
  /** The consumer could not settle something, and will not be able to settle the rest. */
  consumerFailed(error: unknown): void;
  /** Nothing is to be fetched any more, or it is again: what there was could not be begun. */
  heldBack?(isHeld: boolean): void;
}

/**
 * Settles what one consumer received: the only place that decides what an
 * outcome means for the queue.
 *
 * What is settled in one turn of the event loop goes to the consumer together.
 */
export class Settlement {
  readonly #broker: Broker;
  readonly #consumer: Consumer;
  readonly #owner: SettlementOwner;
  readonly #batches: Record<Verb, MessageProxy[]> = { ack: [], nack: [], requeue: [] };
  #flushScheduled = false;
  /** Messages that are marked in the next call, and those of them that were. */
  #beginning: { messages: MessageProxy[]; begun: Promise<readonly MessageProxy[]> } | undefined;
  #isStale = false;
  /** Messages that are given back in a while. */
  readonly #paused: Map<MessageProxy, Timer> = new Map();
  /** Messages received and not settled. */
  #atHand = 0;
  /** Flushes and hooks under way. */
  #pending = 0;
  readonly #flushes: Notifier = new Notifier();
  /** Calls of the consumer under way, and how many have ended. */
  #calls = 0;
  #endedCalls = 0;
  #isStuck = false;

  /**
   * Stands by a consumer.
   *
   * @param broker The broker, for its hooks.
   * @param consumer The consumer that the messages came from.
   * @param owner Who hears of room, and of a consumer that fails.
   */
  constructor(broker: Broker, consumer: Consumer, owner: SettlementOwner) {
    this.#broker = broker;
    this.#consumer = consumer;
    this.#owner = owner;
  }

  /** True if the consumer is gone, and what it gave is the broker's to deliver again. */
  get isStale(): boolean {
    return this.#isStale || this.#consumer.isLost;
  }

  /** Notes that the consumer is gone. */
  abandon(): void {
    this.#isStale = true;
    this.#endPauses();
  }

  /** Messages received and not settled. */
  get atHand(): number {
    return this.#atHand;
  }

  /** Counts messages that the consumer gave. */
  received(count: number): void {
    this.#atHand += count;
  }

  /** Counts a message off that will not be worked on: it is delivered again. */
  dropped(): void {
    this.#atHand -= 1;
    this.#owner.roomMade();
  }

  /** Has nothing more fetched of this queue until `goOn`. */
  holdBack(): void {
    this.#owner.heldBack?.(true);
  }

  /** Has messages fetched again. */
  goOn(): void {
    this.#owner.heldBack?.(false);
  }

  /**
   * Marks a message that is about to start, if it needs a mark.
   *
   * @param message What is about to start.
   * @returns Whether it is still the consumer's.
   */
  async begin(message: MessageProxy): Promise<boolean> {
    let batch = this.#beginning;
    if (batch === undefined) {
      const messages: MessageProxy[] = [];
      // All that starts in this turn shares one call.
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
      case "retried": // Its retry is stored, and it is that which counts now.
        return this.#conclude("ack", message);
      case "skipped": // A middleware, or the actor, wants it gone.
        return this.#conclude("ack", message);
      case "skippedAndFailed": // A middleware wants it kept, but not run: past its age, for example.
        return this.#conclude("nack", message);
      case "cancelled": // Nobody wants it any more, unless it is to be kept so that it can be undone.
        return this.#conclude(message.failed ? "nack" : "ack", message);
      case "failed": // No attempt is left, or none would help.
        return this.#conclude("nack", message);
      case "unknownActor": // Somebody may declare the actor and requeue it.
        message.fail();
        message.stuffException(
          new ActorNotFound(
            `Cannot find actor "${shorten(message.actorName, 200)}": it is not declared here`,
          ),
        );
        return this.#conclude("nack", message);
      case "undecodable": // There is no message to tell hooks about, only bytes to keep.
        message.stuffException((message.message as UndecodableMessage).error);
        logUndecodable(message);
        return this.#add("nack", message);
      case "followUpNotStored": // The server was away: another run gets another chance, later.
        return this.#requeueLater(message);
      case "lost": // It was not its fault: it runs again as if nothing had happened.
        return this.#add("requeue", message);
    }
  }

  /** Resolves when everything that was settled so far has reached the broker. */
  async flushed(): Promise<void> {
    for (const message of this.#endPauses()) this.#add("requeue", message);
    if (this.#flushScheduled) this.#flush();
    while (this.#pending > 0) await this.#flushes.next();
  }

  /**
   * As {@linkcode flushed}, for the last time: once the broker has taken nothing for some seconds,
   * its server is unavailable, and it delivers the rest again.
   *
   * @param gaveUp Ends the wait, whatever it is for.
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
   * A middleware cannot keep a message from being settled: it would hang there for ever.
   * But what has to outlive it may be stored at another attempt.
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

  /** Given back at once, a message that cannot be finished would run in a tight circle. */
  #requeueLater(message: MessageProxy): void {
    const timer = this.#broker.clock.setTimer(() => {
      this.#paused.delete(message);
      this.#add("requeue", message);
    }, PAUSE_BEFORE_REQUEUE);
    this.#paused.set(message, timer);
  }

  /** Ends all pauses. What is not given back now the consumer gives back when it closes. */
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
    queueMicrotask(() => {
      if (this.#flushScheduled) this.#flush();
    });
  }

  #flush(): void {
    this.#flushScheduled = false;
    for (const verb of ["ack", "nack", "requeue"] as const) {
      const batch = this.#batches[verb];
      if (batch.length === 0) continue;
      this.#batches[verb] = [];
      this.#atHand -= batch.length;
      this.#track(this.#send(verb, batch));
    }
    this.#owner.roomMade();
  }

  async #send(verb: Verb, batch: readonly MessageProxy[]): Promise<void> {
    this.#calls += 1;
    try {
      await this.#consumer[verb](batch);
    } catch (error) {
      // The broker delivers them again: they are with it as long as it has not heard of us.
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
