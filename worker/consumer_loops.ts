import type { Broker } from "../core/broker.ts";
import { delayQueueName } from "../core/queue_names.ts";
import { systemClock } from "../platform/clock.ts";
import { getLogger, printFirstFailures } from "../platform/logging.ts";
import { ConsumerLoop, type ConsumerLoopOptions } from "./consumer_loop.ts";
import type { WorkerEnvironment } from "./worker_options.ts";

const log = /* @__PURE__ */ getLogger("worker");

/** Options of {@linkcode ConsumerLoops}. */
export interface ConsumerLoopsOptions {
  /** Settings that the worker read when it started. */
  environment(): WorkerEnvironment;
  /** Consumers receive nothing before this has resolved. */
  readonly ready: Promise<void> | undefined;
  /** Tells whether a new consumer is paused, with its worker or with its queue. */
  isPaused(queueName: string): { readonly worker: boolean; readonly queue: boolean };
  /** Takes over what was received from a queue. */
  readonly deliver: ConsumerLoopOptions["deliver"];
  /** Takes over what was received from a delay queue. */
  readonly deliverDelayed: ConsumerLoopOptions["deliver"];
}

/**
 * The consumers of a worker: one for each queue and delay queue, and a second one for a queue whose
 * prefetch has grown, since that of a consumer is fixed.
 *
 * extra ─(another size)▶ draining ─(its messages have ended)▶ closed
 */
export class ConsumerLoops {
  readonly #broker: Broker;
  readonly #options: ConsumerLoopsOptions;
  readonly #first: Map<string, ConsumerLoop> = new Map();
  readonly #extra: Map<string, ConsumerLoop> = new Map();
  /** Loops that receive no more, and still have messages in flight. */
  readonly #draining: Set<ConsumerLoop> = new Set();
  /** Queues of which it is not checked yet whether there are actors. */
  readonly #unchecked: string[] = [];
  /** Prefetch of queues, once it was changed. */
  #prefetch: number | undefined;

  constructor(broker: Broker, options: ConsumerLoopsOptions) {
    this.#broker = broker;
    this.#options = options;
    // A worker that fails must not do so unseen; on another clock it runs for a test, which sees it.
    if (broker.clock === systemClock) printFirstFailures();
  }

  /** The queues and delay queues that are consumed. */
  get queueNames(): string[] {
    return [...this.#first.keys()];
  }

  /** All loops, those that are draining included. */
  get all(): ConsumerLoop[] {
    return [...this.#first.values(), ...this.#extra.values(), ...this.#draining];
  }

  /** The loops of one queue. */
  of(queueName: string): ConsumerLoop[] {
    return this.all.filter((loop) => loop.queueName === queueName);
  }

  /** Consumes a queue or delay queue, unless it is consumed. */
  add(queueName: string): void {
    if (this.#first.has(queueName)) return;
    const { prefetch, delayPrefetch } = this.#options.environment();
    const isDelayQueue = queueName === delayQueueName(queueName);
    this.#first.set(queueName, this.#open(queueName, isDelayQueue ? delayPrefetch : prefetch));
    if (this.#prefetch !== undefined) this.#resizeOne(queueName, this.#prefetch);
    if (isDelayQueue) return;
    // Actors are declared right after their queues.
    if (this.#unchecked.length === 0) queueMicrotask(() => this.#warnOfNoActors());
    this.#unchecked.push(queueName);
  }

  /**
   * Changes how many messages of each queue may be in flight.
   *
   * @param prefetch The number.
   */
  resize(prefetch: number): void {
    this.#prefetch = prefetch;
    for (const queueName of this.#first.keys()) this.#resizeOne(queueName, prefetch);
  }

  #resizeOne(queueName: string, prefetch: number): void {
    if (queueName === delayQueueName(queueName)) return;
    this.#first.get(queueName)!.limit = prefetch;
    const outgrown = this.#extra.get(queueName);
    if (outgrown !== undefined) {
      this.#extra.delete(queueName);
      this.#draining.add(outgrown);
      void outgrown.drain().finally(() => this.#draining.delete(outgrown));
    }
    const more = prefetch - this.#options.environment().prefetch;
    if (more > 0) this.#extra.set(queueName, this.#open(queueName, more));
  }

  #warnOfNoActors(): void {
    const withActors = new Set(Array.from(this.#broker.actors.values(), (one) => one.queueName));
    for (const queueName of this.#unchecked.splice(0)) {
      if (withActors.has(queueName)) continue;
      log.warn(
        "Consuming {queue}, which has no actor in this program: its messages are dead-lettered. " +
          "If another program works on it, name the queues of this worker",
        { queue: queueName },
      );
    }
  }

  #open(queueName: string, prefetch: number): ConsumerLoop {
    const { environment, ready, isPaused, deliver, deliverDelayed } = this.#options;
    const isDelayQueue = queueName === delayQueueName(queueName);
    const loop = new ConsumerLoop(this.#broker, queueName, {
      prefetch,
      restartDelay: environment().restartDelay,
      ready,
      deliver: isDelayQueue ? deliverDelayed : deliver,
    });
    const paused = isPaused(queueName);
    if (paused.queue) loop.pause("queue");
    if (paused.worker) loop.pause("worker");
    loop.start();
    return loop;
  }
}
