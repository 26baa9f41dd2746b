import { TICK_PREFIX } from "../control/schedule_state.ts";
import type { Broker } from "../core/broker.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { delayQueueName } from "../core/queue_names.ts";
import type { StubQueue } from "../brokers/stub/queue.ts";
import { nextTurn } from "../platform/runtime.ts";
import { Worker } from "../worker/worker.ts";
import { AssertionError } from "./assertion_error.ts";
import type { Gate, MessageRef } from "./gate.ts";
import { type Operation, type OperationOptions, startOperation } from "./operation.ts";
import type { ActorRun, RunLog } from "./runs.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Turns of the event loop without activity after which nothing more happens at this time. */
const IDLE_TURNS = 3;
/** Maximum of turns in which a consumer could receive a message and does not. */
const MAX_TURNS = 10_000;
/** Maximum of milliseconds for starting schedules: the first cron pattern loads a package. */
const LONGEST_START = 10_000;
/** Maximum of time skips in a row without any run. */
const MAX_SKIPS = 10_000;

/** The parts of a `TestBroker` that its driver uses. */
export interface DriverOptions {
  readonly broker: Broker;
  readonly clock: VirtualClock;
  readonly gate: Gate;
  readonly runs: RunLog;
  readonly concurrency: number;
  /** The storage of a queue or delay queue. */
  storageOf(queueName: string): StubQueue;
  /** Number of pending calls of `send`. */
  sending(): number;
}

/** Options of a call that runs all messages that are due. */
export interface WorkOptions extends OperationOptions {
  /** Latest time to skip to, in milliseconds since the epoch. */
  readonly until: number;
  /** True to end once no message is left; otherwise it ends at `until`. */
  readonly endsWhenDone: boolean;
}

/**
 * Runs the worker of a `TestBroker`, and advances its clock. The worker is a real one. Only the
 * clock is special, which stands still while anything can run, and the gate, which lets the worker
 * receive messages only during calls such as `drain`.
 */
export class Driver {
  readonly #options: DriverOptions;
  /** Number of running calls. */
  active = 0;
  #starting: Promise<Worker> | undefined;
  /** Ids of messages that `runOne` waits for. */
  readonly #single: Set<string> = new Set();
  /** Messages that were still running when the call that waited for them failed. */
  readonly #abandoned: WeakSet<MessageProxy> = new WeakSet();

  /**
   * Stores the parts; the worker starts with the first call.
   *
   * @param options The broker and its parts.
   */
  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /**
   * Runs all messages that are due, then advances the clock to the next time at which something is
   * due, until the end.
   *
   * @param options The end, and limits.
   * @returns The runs, in the order in which they ended.
   */
  async work(options: WorkOptions): Promise<ActorRun[]> {
    const { gate, clock, runs } = this.#options;
    const worker = await this.#start();
    // Not awaited, so that `advance` may pass their time limits. A drain, however, waits for messages
    // that an earlier call has abandoned.
    const notAwaited = new Set(
      worker.running.filter((one) => !(options.endsWhenDone && this.#abandoned.has(one))),
    );
    // A lost message runs again.
    const isOwn = ({ outcome, message }: ActorRun) =>
      outcome !== "lost" && !this.#single.has(message.messageId);
    const operation = startOperation(options, runs, gate, isOwn);
    const awaited = () =>
      worker.running.filter((one) => !notAwaited.has(one) && !this.#single.has(one.messageId));
    this.active += 1;
    gate.open();
    try {
      for (let skips = 0, count = 0;; skips++) {
        await this.#settle(worker, operation, awaited);
        if (operation.count > count) skips = 0;
        count = operation.count;
        if (options.endsWhenDone && this.#countRemaining(worker, awaited()) === 0) break;
        if (skips > MAX_SKIPS) throw this.#stuck(options.verb, `no actor has run meanwhile`);
        if (this.#skip(options.until)) operation.timePassed();
        else if (options.endsWhenDone && awaited().length > 0) {
          await operation.progress(awaited, () => worker.running);
        } else break;
      }
      operation.throwAtEnd();
    } catch (error) {
      for (const one of awaited()) this.#abandoned.add(one);
      throw error;
    } finally {
      gate.close();
      this.active -= 1;
      operation.end();
    }
    if (!options.endsWhenDone) clock.step(options.until);
    return operation.runs;
  }

  /**
   * Runs one message, which must be the first of its queue.
   *
   * @param message The message.
   * @param options Limits.
   * @returns Its run.
   */
  async runOne(
    message: MessageRef,
    options: OperationOptions,
  ): Promise<ActorRun> {
    const { runs, gate } = this.#options;
    const worker = await this.#start();
    const isOwn = (one: MessageRef) => one.messageId === message.messageId;
    const operation = startOperation(options, runs, gate, (run) => isOwn(run.message));
    const awaited = () => worker.running.filter(isOwn);
    this.active += 1;
    this.#single.add(message.messageId);
    gate.admit(message);
    try {
      for (let skips = 0; operation.runs.length === 0; skips++) {
        if (!options.skipWhileRunning) await operation.progress(awaited, () => worker.running);
        else {
          await this.#settle(worker, operation, awaited);
          if (operation.runs.length > 0) break;
          if (skips > MAX_SKIPS) throw this.#stuck(options.verb, "its actor has not ended");
          if (!this.#skip(Infinity)) await operation.progress(awaited, () => worker.running);
        }
      }
      await nextTurn(); // for the hooks after the acknowledgement
      return operation.runs[0]!;
    } catch (error) {
      for (const one of awaited()) this.#abandoned.add(one);
      throw error;
    } finally {
      this.active -= 1;
      gate.refuse(message);
      this.#single.delete(message.messageId);
      operation.end();
    }
  }

  /** Stops the worker; running messages are abandoned. */
  async stop(): Promise<void> {
    const worker = await this.#starting?.catch(() => undefined);
    if (worker === undefined) return;
    let isStopped = false;
    const stopping = worker.stop(0).finally(() => isStopped = true);
    stopping.catch(() => {}); // handled below
    while (!isStopped) {
      for (let turn = 0; turn < IDLE_TURNS; turn++) await nextTurn();
      if (!isStopped) this.#options.clock.step(this.#options.clock.nextTimerAt);
    }
    await stopping;
  }

  /** Starts the worker, and waits until the schedules declared so far have started. */
  async #start(): Promise<Worker> {
    const { broker, concurrency } = this.#options;
    this.#starting ??= (async () => {
      const worker = new Worker(broker, { concurrency, report: false });
      await worker.start();
      return worker;
    })();
    const worker = await this.#starting;
    const names = broker.schedules.all.map(({ name }) => TICK_PREFIX + name);
    if (names.length === 0) return worker;
    const areStarted = async () => {
      const { entries } = await broker.controlStore!.read(names);
      return entries.every(({ value }) => value !== null) && entries.length === names.length;
    };
    for (const giveUpAt = performance.now() + LONGEST_START; !await areStarted();) {
      if (performance.now() > giveUpAt) throw new Error("Cannot start the schedules of the broker");
      await nextTurn();
    }
    for (let turn = 0; turn < IDLE_TURNS; turn++) await nextTurn();
    return worker;
  }

  /** Waits until nothing more happens at the present time. */
  async #settle(
    worker: Worker,
    operation: Operation,
    awaited: () => MessageProxy[],
  ): Promise<void> {
    const { gate, sending } = this.#options;
    for (let idle = 0, turns = 0; idle < IDLE_TURNS; turns++) {
      const { activity } = gate;
      await nextTurn();
      operation.throwIfFailed();
      const isRunning = !operation.skipsWhileRunning && awaited().length > 0;
      const isBusy = isRunning || sending() > 0 || this.#isPromoting();
      if (isBusy) await operation.progress(awaited, () => worker.running);
      if (isBusy || gate.activity !== activity) idle = turns = 0;
      else idle = this.#isReady() ? 0 : idle + 1;
      if (turns > MAX_TURNS) throw this.#stuck(operation.verb, "the worker does not take them");
    }
  }

  /** True if a consumer is about to receive a message. */
  #isReady(): boolean {
    const { broker, gate } = this.#options;
    for (const name of broker.queues) {
      if (gate.isAwaited(name) || gate.isAwaited(delayQueueName(name))) return true;
    }
    return false;
  }

  /** True if a message is being moved from a delay queue to its queue. */
  #isPromoting(): boolean {
    const { broker, storageOf } = this.#options;
    return [...broker.queues].some((name) =>
      storageOf(delayQueueName(name)).counts.unacknowledged > 0
    );
  }

  /** Counts the messages that will run without further calls. */
  #countRemaining(worker: Worker, awaited: readonly MessageProxy[]): number {
    if (worker.state === "paused") return 0;
    const { broker, gate, storageOf } = this.#options;
    const paused = worker.pausedQueues;
    let count = 0;
    for (const name of broker.queues) {
      if (paused.includes(name)) continue;
      const [own, later] = [storageOf(name).counts, storageOf(delayQueueName(name)).counts];
      count += own.ready + own.delayed + later.ready + later.delayed + later.unacknowledged;
    }
    // Some in flight have ended, and wait to be requeued: their follow-up could not be stored.
    const running = new Set(worker.running);
    return count + awaited.length + gate.inFlight.filter((one) => !running.has(one)).length;
  }

  /**
   * Advances the clock to the next time at which something is due.
   *
   * @returns False if that is after `until`.
   */
  #skip(until: number): boolean {
    const { broker, clock, gate, storageOf } = this.#options;
    let next = clock.nextTimerAt;
    for (const name of broker.queues) {
      for (const queue of [storageOf(name), storageOf(delayQueueName(name))]) {
        if (queue.nextDue > clock.now()) next = Math.min(next, queue.nextDue);
      }
    }
    if (next > until || next === Infinity) return false;
    clock.step(next);
    gate.changed.notify();
    return true;
  }

  #stuck(verb: string, reason: string): AssertionError {
    const { broker, storageOf } = this.#options;
    const counts = [...broker.queues].map((name) => {
      const { ready, delayed } = storageOf(name).counts;
      const later = storageOf(delayQueueName(name)).counts;
      return `${name} has ${ready} ready and ${delayed + later.ready + later.delayed} delayed`;
    });
    return new AssertionError(
      `Cannot ${verb}: messages wait, and ${reason}; queue ${counts.join(", ")}`,
    );
  }
}
