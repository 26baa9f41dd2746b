import type { Broker } from "../core/broker.ts";
import type { Timer } from "../platform/clock.ts";
import type { Consumer } from "../core/consumer.ts";
import { ConnectionClosed } from "../core/errors.ts";
import { errorMessage } from "../platform/thrown.ts";
import { getLogger, type Logger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { nextTurn } from "../platform/runtime.ts";
import { Settlement, type SettlementOwner } from "./settlement.ts";

const log = /* @__PURE__ */ getLogger("worker", "consumer");

/** Milliseconds of promise callbacks after which timers and sockets get their turn. */
const LONGEST_TURN = 10;
/** Milliseconds of a stop after which consumers take nothing more off their queues. */
const SHORT_STOP = 1_000;
/** Largest prefetch of AMQP, and enough for anybody. */
const MAX_PREFETCH = 65_535;

/** Options of a {@linkcode ConsumerLoop}. */
export interface ConsumerLoopOptions {
  /** Number of messages it may have in flight. */
  prefetch: number;
  /** Milliseconds before it opens a new consumer after a failure. */
  restartDelay: number;
  /** Takes over what was received; each message is to be settled there later. */
  deliver(messages: readonly MessageProxy[], settlement: Settlement): void;
  /** It receives nothing before this has resolved. @default Nothing to wait for. */
  readonly ready?: Promise<void> | undefined;
}

/**
 * Keeps one queue flowing into the worker: receives while there is room, and
 * opens a new consumer after a failure.
 *
 * running ◀─▶ paused, or its queue is, or held back ─▶ stopping (receives no more, settles) ─▶ closed
 *
 * While it does not receive, its consumer is paused, and has nothing but what is in flight.
 */
export class ConsumerLoop {
  /** The queue. */
  readonly queueName: string;
  readonly #broker: Broker;
  readonly #prefetch: number;
  /** As many as it may have in flight now, if that is less. */
  #limit = Infinity;
  readonly #restartDelay: number;
  readonly #deliver: ConsumerLoopOptions["deliver"];
  readonly #ready: Promise<void> | undefined;
  #stopping = false;
  #closing: Promise<void> | undefined;
  #paused = false;
  #isQueuePaused = false;
  /** True if what there was could not be begun. */
  #isHeld = false;
  #ended: Promise<void> = Promise.resolve();
  #consumer: Consumer | undefined;
  #settlement: Settlement | undefined;
  /** Why the present consumer could not settle something. */
  #failure: unknown;
  /** Ends the call that is waiting for messages. */
  #receiving = new AbortController();
  /** Ends a wait for room, for the end of a pause, or for a restart. */
  #wake: () => void = () => {};
  #turnStarted = 0;
  #pauseTimer: Timer | undefined;
  /** This loop, as its settlements see it. */
  readonly #owner: SettlementOwner = {
    roomMade: () => this.#wake(),
    consumerFailed: (error) => {
      this.#failure ??= error;
      this.#receiving.abort();
      this.#wake();
    },
    heldBack: (isHeld) => {
      this.#isHeld = isHeld;
      if (isHeld) this.#receiving.abort();
      this.#wake();
    },
  };

  constructor(broker: Broker, queueName: string, options: ConsumerLoopOptions) {
    this.#broker = broker;
    this.queueName = queueName;
    this.#prefetch = Math.min(options.prefetch, MAX_PREFETCH);
    this.#restartDelay = options.restartDelay;
    this.#deliver = options.deliver;
    this.#ready = options.ready;
  }

  /** Starts to receive. */
  start(): void {
    this.#ended = this.#run();
  }

  /** Receives no more until `resume`. What is in flight goes on. */
  pause(): void {
    this.#paused = true;
    this.#receiving.abort();
    this.#wake();
  }

  /** Receives again. */
  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  /** Receives no more while its queue is paused, and gives back what arrives all the same. */
  set isQueuePaused(isPaused: boolean) {
    this.#isQueuePaused = isPaused;
    if (isPaused) this.#receiving.abort();
    this.#wake();
  }

  /** Number of messages it may have in flight; beyond its prefetch it does not go. */
  set limit(limit: number) {
    this.#limit = limit;
    this.#wake();
  }

  /** Receives no more, and closes once what is in flight has ended. */
  async drain(): Promise<void> {
    await this.stopReceiving();
    while (this.#closing === undefined && (this.#settlement?.atHand ?? 0) > 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    await this.close();
  }

  /** Receives no more, for good. What is in flight can still be settled. */
  async stopReceiving(): Promise<void> {
    this.#stopping = true;
    this.#receiving.abort();
    this.#wake();
    await this.#ended;
  }

  /** Resolves when all that was settled has reached the broker. */
  async flushed(): Promise<void> {
    await this.#settlement?.flushed();
  }

  /**
   * As {@linkcode flushed}, unless nothing gets through for some seconds.
   *
   * @param gaveUp Ends the wait.
   */
  async flushedAtLast(gaveUp: Promise<void>): Promise<void> {
    await this.#settlement?.flushedAtLast(gaveUp);
  }

  /**
   * Gives back what is in flight. Call `stopReceiving` first.
   *
   * @param gaveUp Ends the wait for acknowledgements that do not get through.
   */
  close(gaveUp: Promise<void> = new Promise(() => {})): Promise<void> {
    this.#closing ??= this.#close(gaveUp);
    this.#wake();
    return this.#closing;
  }

  async #close(gaveUp: Promise<void>): Promise<void> {
    try {
      await this.#broker.emit("beforeConsumerThreadShutdown", this);
    } catch (error) {
      this.#log(log.error, "The consumer of {queue} stops against a middleware: {reason}", error);
    }
    await this.flushedAtLast(gaveUp);
    await this.#closeConsumer();
  }

  async #run(): Promise<void> {
    const boot = this.#broker.emit("afterConsumerThreadBoot", this);
    if (boot !== undefined) await boot;
    if (this.#ready !== undefined) await this.#ready;
    while (!this.#stopping) {
      try {
        await this.#receive();
      } catch (error) {
        await this.#recover(error);
      }
    }
  }

  async #receive(): Promise<void> {
    const consumer = this.#broker.consume(this.queueName, { prefetch: this.#prefetch });
    const settlement = new Settlement(this.#broker, consumer, this.#owner);
    this.#consumer = consumer;
    this.#settlement = settlement;
    this.#failure = undefined;
    let isPaused = false;
    while (!this.#stopping) {
      if (this.#failure !== undefined) throw this.#failure;
      const rests = this.#paused || this.#isHeld || this.#isQueuePaused;
      if (rests && !isPaused) this.#pauseConsumer(consumer);
      isPaused = rests;
      const room = Math.min(this.#prefetch, this.#limit) - settlement.atHand;
      if (room <= 0 || rests) {
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      if (this.#receiving.signal.aborted) this.#receiving = new AbortController();
      const { signal } = this.#receiving;
      const messages = await consumer.receive(room, { signal });
      if (messages.length === 0) {
        if (signal.aborted) continue;
        throw new ConnectionClosed(`The consumer of "${this.queueName}" was closed`);
      }
      settlement.received(messages.length);
      if (this.#isQueuePaused) {
        for (const message of messages) settlement.settle(message, "lost");
        continue;
      }
      this.#deliver(messages, settlement);
      await this.#giveOthersTheirTurn();
    }
    // While actors take long to end, others are to have what is given back meanwhile.
    this.#pauseTimer = this.#broker.clock.setTimer(
      () => this.#pauseConsumer(consumer),
      SHORT_STOP,
    );
  }

  /** Not waited for: an unavailable server may not answer. */
  #pauseConsumer(consumer: Consumer): void {
    consumer.pause().catch((error) => {
      this.#log(log.warn, "The consumer of {queue} did not pause well: {reason}", error);
    });
  }

  /** A broker that always has something at once would never let a timer fire. */
  async #giveOthersTheirTurn(): Promise<void> {
    if (performance.now() - this.#turnStarted < LONGEST_TURN) return;
    await nextTurn();
    this.#turnStarted = performance.now();
  }

  async #recover(error: unknown): Promise<void> {
    this.#log(log.error, "The consumer of {queue} failed and starts again: {reason}", error);
    this.#settlement?.abandon();
    await this.#closeConsumer();
    if (this.#stopping) return;
    await new Promise<void>((resolve) => {
      const { clock } = this.#broker;
      const timer = clock.setTimer(resolve, this.#restartDelay);
      this.#wake = () => {
        if (!this.#stopping) return;
        clock.clearTimer(timer);
        resolve();
      };
    });
  }

  async #closeConsumer(): Promise<void> {
    this.#broker.clock.clearTimer(this.#pauseTimer);
    const consumer = this.#consumer;
    this.#consumer = undefined;
    try {
      await consumer?.close();
    } catch (error) {
      this.#log(log.warn, "The consumer of {queue} did not close well: {reason}", error);
    }
  }

  #log(write: Logger["error"], text: string, error: unknown): void {
    write.call(log, text, {
      queue: this.queueName,
      restartDelay: this.#restartDelay,
      reason: errorMessage(error),
      error,
    });
  }
}
