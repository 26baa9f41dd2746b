import type { Broker } from "../core/broker.ts";
import { monotonicTime, type Timer } from "../platform/clock.ts";
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
/** Milliseconds of a stop after which the consumer gives back what it has prefetched. */
const SHORT_STOP = 1_000;
/** Largest prefetch of AMQP. */
const MAX_PREFETCH = 65_535;

/**
 * Reason for a pause:
 *
 * - `worker`: the worker is paused.
 * - `queue`: the queue is paused on all workers. Messages that arrive all the same are requeued.
 * - `backlog`: messages of the queue have waited for too long, see `WaitLimit`.
 */
export type PauseReason = "worker" | "queue" | "backlog";

/** Options of a {@linkcode ConsumerLoop}. */
export interface ConsumerLoopOptions {
  /** Maximum of messages in flight. */
  prefetch: number;
  /** Milliseconds between a failure and the next consumer. */
  restartDelay: number;
  /** Takes received messages; each is settled later, through the settlement. */
  deliver(messages: readonly MessageProxy[], settlement: Settlement): void;
  /** The first consumer opens when this has resolved. @default At once. */
  readonly ready?: Promise<void> | undefined;
}

/**
 * Receives the messages of one queue while there is room, and opens a new consumer after a failure.
 *
 * running ◀─▶ paused (while there is any {@linkcode PauseReason}) ─▶ stopping (only settles) ─▶ closed
 *
 * While the loop is paused, so is its consumer: it gives back what it has prefetched.
 */
export class ConsumerLoop {
  /** The queue. */
  readonly queueName: string;
  readonly #broker: Broker;
  readonly #prefetch: number;
  /** Present maximum of messages in flight, if that is below the prefetch. */
  #limit = Infinity;
  readonly #restartDelay: number;
  readonly #deliver: ConsumerLoopOptions["deliver"];
  readonly #ready: Promise<void> | undefined;
  #stopping = false;
  #closing: Promise<void> | undefined;
  readonly #pauses: Set<PauseReason> = new Set();
  #ended: Promise<void> = Promise.resolve();
  #consumer: Consumer | undefined;
  #settlement: Settlement | undefined;
  /** Why the present consumer failed to settle messages. */
  #failure: unknown;
  /** Aborts the pending `receive`. */
  #receiving = new AbortController();
  /** Ends a wait for room, for a resume, or for a restart. */
  #wake: () => void = () => {};
  #turnStarted = 0;
  /** Time at which the present consumer was opened, on the monotonic clock. */
  #openedAt = 0;
  /** Reason of the last failure, as it was logged. */
  #loggedReason: string | undefined;
  #pauseTimer: Timer | undefined;
  /** This loop, as its settlements see it. */
  readonly #owner: SettlementOwner = {
    roomMade: () => this.#wake(),
    consumerFailed: (error) => {
      this.#failure ??= error;
      this.#receiving.abort();
      this.#wake();
    },
    pauseReceiving: () => this.pause("backlog"),
    resumeReceiving: () => this.resume("backlog"),
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

  /** Stops receiving until `resume` with the same reason. Messages in flight go on. */
  pause(reason: PauseReason): void {
    this.#pauses.add(reason);
    this.#receiving.abort();
    this.#wake();
  }

  /** Takes back a pause; receives again if it was the last one. */
  resume(reason: PauseReason): void {
    this.#pauses.delete(reason);
    this.#wake();
  }

  /** Maximum of messages in flight; the prefetch is a maximum, too. */
  set limit(limit: number) {
    this.#limit = limit;
    this.#wake();
  }

  /** Stops receiving, and closes once no message is in flight. */
  async drain(): Promise<void> {
    await this.stopReceiving();
    while (this.#closing === undefined && (this.#settlement?.unsettled ?? 0) > 0) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    await this.close();
  }

  /** Stops receiving for good. Messages in flight can still be settled. */
  async stopReceiving(): Promise<void> {
    this.#stopping = true;
    this.#receiving.abort();
    this.#wake();
    await this.#ended;
  }

  /** Resolves when all settled messages have reached the broker. */
  async flushed(): Promise<void> {
    await this.#settlement?.flushed();
  }

  /**
   * As {@linkcode flushed}, but ends when no call of the consumer has ended for five seconds.
   *
   * @param gaveUp Ends the wait when it resolves.
   */
  async flushedAtLast(gaveUp: Promise<void>): Promise<void> {
    await this.#settlement?.flushedAtLast(gaveUp);
  }

  /**
   * Closes the consumer, which requeues messages in flight. Call `stopReceiving` first.
   *
   * @param gaveUp Ends the wait for pending acknowledgements when it resolves.
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
      this.#log(
        log.error,
        "Stopping the consumer of {queue} despite a failed middleware: {reason}",
        error,
      );
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
    this.#openedAt = monotonicTime(this.#broker.clock);
    const consumer = this.#broker.consume(this.queueName, { prefetch: this.#prefetch });
    const settlement = new Settlement(this.#broker, consumer, this.#owner);
    this.#consumer = consumer;
    this.#settlement = settlement;
    this.#failure = undefined;
    let isPaused = false;
    while (!this.#stopping) {
      if (this.#failure !== undefined) throw this.#failure;
      const wasPaused = isPaused;
      isPaused = this.#pauses.size > 0;
      if (isPaused && !wasPaused) this.#pauseConsumer(consumer);
      const room = Math.min(this.#prefetch, this.#limit) - settlement.unsettled;
      if (room <= 0 || isPaused) {
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
      if (this.#pauses.has("queue")) {
        for (const message of messages) settlement.settle(message, "lost");
        continue;
      }
      this.#deliver(messages, settlement);
      await this.#giveOthersTheirTurn();
    }
    // Actors may take long to end: other workers get the prefetched messages meanwhile.
    this.#pauseTimer = this.#broker.clock.setTimer(
      () => this.#pauseConsumer(consumer),
      SHORT_STOP,
    );
  }

  /** Not awaited: an unavailable server may never answer. */
  #pauseConsumer(consumer: Consumer): void {
    consumer.pause().catch((error) => {
      this.#log(log.warn, "Failed to pause the consumer of {queue}: {reason}", error);
    });
  }

  /** If `receive` always resolves at once, timers and sockets would never get a turn. */
  async #giveOthersTheirTurn(): Promise<void> {
    if (performance.now() - this.#turnStarted < LONGEST_TURN) return;
    await nextTurn();
    this.#turnStarted = performance.now();
  }

  async #recover(error: unknown): Promise<void> {
    const write = this.#isRepeated(error) ? log.debug : log.error;
    this.#log(write, "Restarting the consumer of {queue} after a failure: {reason}", error);
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

  /** Tells whether the consumer failed at once, and for the reason that was logged last. */
  #isRepeated(error: unknown): boolean {
    const reason = errorMessage(error);
    const lived = monotonicTime(this.#broker.clock) - this.#openedAt;
    const isRepeated = reason === this.#loggedReason && lived < this.#restartDelay;
    this.#loggedReason = reason;
    return isRepeated;
  }

  async #closeConsumer(): Promise<void> {
    this.#broker.clock.clearTimer(this.#pauseTimer);
    const consumer = this.#consumer;
    this.#consumer = undefined;
    try {
      await consumer?.close();
    } catch (error) {
      this.#log(log.warn, "Failed to close the consumer of {queue}: {reason}", error);
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
