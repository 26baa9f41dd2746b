import type { Broker } from "../core/broker.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { canonicalQueueName } from "../core/queue_names.ts";
import { ConsumerLoops } from "./consumer_loops.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Executor } from "./executors/executor.ts";
import { isInsideRealm } from "./executors/realm_modules.ts";
import { serveIfRealm } from "./executors/role.ts";
import { FleetMember } from "./fleet_member.ts";
import type { Middleware, Outcome } from "../core/middleware.ts";
import { randomUuid } from "../platform/runtime.ts";
import { resizeExecutor } from "./resize.ts";
import { StopDeadline } from "./stop_deadline.ts";
import { WorkerMonitor } from "./worker_monitor.ts";
import { stopPart } from "./stop_part.ts";
import {
  checkStopTimeout,
  checkWorkerOptions,
  readWorkerEnvironment,
  type WorkerEnvironment,
  type WorkerOptions,
} from "./worker_options.ts";

/**
 * Takes messages off the queues of a broker and runs their actors.
 *
 * Each queue, and each delay queue, has a consumer. Received messages wait in one queue, ordered by
 * the priority of their actors; the executor runs as many as it has room for.
 *
 * @example Work until told to stop
 * ```ts
 * import { actor, setBroker, StubBroker, Worker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * setBroker(broker);
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * });
 *
 * await using worker = new Worker(broker, { concurrency: 4 });
 * await worker.start();
 * await add.send(1, 2);
 * await broker.join("default");
 * ```
 */
export class Worker implements AsyncDisposable {
  /** The broker of its queues. */
  readonly broker: Broker;
  /** Executor of the actors. */
  readonly executor: Executor;
  readonly #queues: ReadonlySet<string> | undefined;
  readonly #timeout: number;
  readonly #loops: ConsumerLoops;
  readonly #dispatcher: Dispatcher;
  /** Membership in the fleet, if the broker has a control store. */
  readonly #fleet: FleetMember | undefined;
  readonly #ownId: string = randomUuid();
  readonly #monitor: WorkerMonitor | undefined;
  readonly #ownConcurrency: number;
  #state: "new" | "starting" | "running" | "paused" | "stopping" | "stopped" = "new";
  #started: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  #environment: WorkerEnvironment | undefined;
  readonly #deadline: StopDeadline;

  /** Starts the consumers of queues that are declared now or later. */
  readonly #queueWatcher: Middleware = {
    afterDeclareQueue: (_broker, queueName) => this.#consume(queueName),
    afterDeclareDelayQueue: (_broker, queueName) => this.#consume(queueName),
  };

  /**
   * Stores the options; `start` begins.
   *
   * @param broker The broker.
   * @param options The queues, the executor, the timeout.
   * @throws {TypeError} If an option is of the wrong type.
   * @throws {RangeError} If the concurrency is not a whole number above 0, or a time below 0.
   */
  constructor(broker: Broker, options: WorkerOptions = {}) {
    if (typeof broker?.consume !== "function") {
      throw new TypeError(`Cannot create a Worker: ${String(broker)} is not a broker`);
    }
    const { queues, timeout, executor, report } = checkWorkerOptions(options);
    this.broker = broker;
    this.executor = executor;
    this.#queues = queues;
    this.#timeout = timeout;
    const { controlStore } = broker;
    if (controlStore !== undefined) {
      this.#fleet = new FleetMember(broker, controlStore, {
        state: () => ({
          queues: [...new Set(this.#loops.queueNames.map(canonicalQueueName))],
          concurrency: executor.concurrency,
          running: this.#dispatcher.runningCount,
        }),
        cancelled: () => this.#dispatcher.cancelKnown(),
        queuePaused: (queueName, isPaused) => this.#queuePaused(queueName, isPaused),
        actorPaused: () => this.#dispatcher.postponePaused(),
        quieted: (isQuiet) => isQuiet ? this.pause() : this.resume(),
        resized: () => this.#resize(),
      });
    }
    this.#ownConcurrency = executor.concurrency;
    this.#dispatcher = new Dispatcher(broker, executor, this.#fleet);
    this.#loops = new ConsumerLoops(broker, {
      environment: () => this.#environment!,
      ready: this.#fleet?.ready,
      isPaused: (queueName) => ({
        worker: this.#state === "paused",
        queue: this.#fleet?.isPaused(queueName) === true,
      }),
      deliver: (messages, settlement) => this.#dispatcher.deliver(messages, settlement),
      deliverDelayed: (due, settlement) => this.#dispatcher.deliverDelayed(due, settlement),
    });
    this.#deadline = new StopDeadline(broker.clock, () => this.#dispatcher.giveUp());
    if (!report) return;
    const { id } = this;
    const [dispatcher, loops, fleet] = [this.#dispatcher, this.#loops, this.#fleet];
    const state = () => this.#state;
    this.#monitor = new WorkerMonitor({ id, broker, dispatcher, loops, fleet, state });
  }

  /**
   * Resolves, with the reason, when this process should be replaced: see `ThreadExecutor`.
   * The worker goes on until it is stopped. Usually pending for ever.
   */
  get retired(): Promise<string> {
    return this.executor.retired ?? new Promise(() => {});
  }

  /** Id of the worker, as in `Inspector.workers`. */
  get id(): string {
    return this.#fleet?.id ?? this.#ownId;
  }

  /** State; `"paused"` after `pause`, not because a queue is paused. */
  get state(): "new" | "starting" | "running" | "paused" | "stopping" | "stopped" {
    return this.#state;
  }

  /** The queues that are paused on all workers, as far as this worker knows. */
  get pausedQueues(): string[] {
    return this.#loops.queueNames.filter((queueName) => this.#fleet?.isPaused(queueName));
  }

  /** The actors that are paused on all workers, as far as this worker knows. */
  get pausedActors(): string[] {
    return this.#fleet?.pausedActors.names ?? [];
  }

  /** The messages whose actors, or hooks, are running. */
  get running(): MessageProxy[] {
    return this.#dispatcher.running;
  }

  /** Number of messages by outcome so far. */
  get outcomes(): Readonly<Record<Outcome, number>> {
    return this.#dispatcher.outcomes;
  }

  /**
   * Starts to work.
   *
   * @throws {MiddlewareError} If a middleware refuses it.
   * @throws {TypeError} If it was started or stopped before.
   * @throws {RangeError} If an environment variable that it reads is not a whole number.
   */
  async start(): Promise<void> {
    if (this.#state !== "new") {
      throw new TypeError(
        "Cannot start a worker that was started or stopped before: create another",
      );
    }
    const served = serveIfRealm(this.broker);
    if (served !== undefined) await served;
    if (isInsideRealm()) {
      throw new TypeError(
        "Cannot start a worker in a thread or process of another: start it in a module that " +
          "declares no actors",
      );
    }
    this.#state = "starting";
    this.#started = this.#start();
    await this.#started;
  }

  /**
   * Starts no messages until `resume`. Running ones go on; messages that were fetched and have not
   * begun are requeued after a second. Does nothing unless the worker is running.
   */
  pause(): void {
    if (this.#state !== "running") return;
    this.#state = "paused";
    this.#dispatcher.pause();
    for (const loop of this.#loops.all) loop.pause("worker");
  }

  /** Starts messages again after a `pause`. */
  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    for (const loop of this.#loops.all) loop.resume("worker");
    this.#dispatcher.open();
  }

  /** Waits until no message is running or in flight, and all are settled on the broker. */
  async join(): Promise<void> {
    await this.#dispatcher.idle();
    await Promise.all(this.#loops.all.map((loop) => loop.flushed()));
  }

  /**
   * Stops: starts no messages, requeues those that have not begun, and waits for running ones. Those
   * that still run after the timeout are requeued, too. Acknowledgements are
   * abandoned, whatever the timeout, when none has reached the server for five seconds: it delivers
   * their messages again.
   *
   * @param timeout Milliseconds, by default the worker's `timeout`. A later call may shorten it.
   * @throws {TypeError} If the timeout is not a number. The worker goes on then.
   * @throws {RangeError} If the timeout is below 0. The worker goes on then.
   * @throws {MiddlewareError} If a `beforeWorkerShutdown` hook throws one. The worker has stopped.
   */
  async stop(timeout: number = this.#timeout): Promise<void> {
    checkStopTimeout(timeout);
    if (this.#state !== "stopped" && this.#started !== undefined) this.#deadline.set(timeout);
    this.#stopping ??= this.#stop();
    await this.#stopping;
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    try {
      this.#environment = readWorkerEnvironment(this.executor.concurrency);
      await this.broker.emit("beforeWorkerBoot", this);
    } catch (error) {
      this.#state = "stopped"; // before anything began
      throw error;
    }
    try {
      this.#monitor?.start();
      this.#fleet?.start();
      this.broker.addMiddleware(this.#queueWatcher);
      await this.#fleet?.startSchedules();
      await this.executor.start(this.broker);
    } catch (error) {
      this.#state = "stopping"; // so that `stop` does not wait for this start
      await this.stop(0);
      throw error;
    }
    await this.broker.emit("afterWorkerBoot", this);
    if (this.#stopping !== undefined) return; // `stop` was called meanwhile
    this.#state = "running";
    this.#resize();
    this.#dispatcher.open();
    if (this.#fleet?.isQuiet) this.pause();
  }

  async #stop(): Promise<void> {
    // If the start failed, the caller of `start` gets the error.
    if (this.#state === "starting") {
      this.executor.cancelStart?.(); // a module may never be imported
      await Promise.race([this.#started, this.#deadline.passed]).catch(() => {});
    }
    if (this.#state === "stopped" || this.#state === "new") return void (this.#state = "stopped");
    this.#state = "stopping";
    this.#dispatcher.hold();
    this.broker.removeMiddleware(this.#queueWatcher);
    await this.#fleet?.stop(this.#deadline.passed);
    let objection: unknown;
    try {
      await this.broker.emit("beforeWorkerShutdown", this);
    } catch (error) {
      objection = error;
    }
    const loops = this.#loops.all;
    await Promise.all(loops.map((loop) => loop.stopReceiving()));
    this.#dispatcher.stop();
    const gaveUp = this.#deadline.passed;
    await Promise.race([this.#dispatcher.idle(), gaveUp]);
    await Promise.all(loops.map((loop) => loop.flushedAtLast(gaveUp)));
    await this.#fleet?.leave(gaveUp);
    await this.#monitor?.stop(gaveUp);
    await stopPart("executor", () => this.executor.stop());
    await Promise.all(
      loops.map((loop) => stopPart(`consumer of ${loop.queueName}`, () => loop.close(gaveUp))),
    );
    this.#deadline.clear();
    this.#state = "stopped";
    await this.broker.emit("afterWorkerShutdown", this);
    if (objection !== undefined) throw objection;
  }

  /** Pauses or resumes a queue. Running messages go on, and delayed ones still arrive on it. */
  #queuePaused(queueName: string, isPaused: boolean): void {
    for (const loop of this.#loops.of(queueName)) loop[isPaused ? "pause" : "resume"]("queue");
    if (isPaused) this.#dispatcher.giveBackOf(queueName);
  }

  #consume(queueName: string): void {
    const canonical = canonicalQueueName(queueName);
    if (this.#queues !== undefined && !this.#queues.has(canonical)) return;
    this.#loops.add(queueName);
  }

  /** Applies the concurrency that `Control.setConcurrency` has set, once the worker has started. */
  #resize(): void {
    if (this.#state !== "running" && this.#state !== "paused") return;
    const { executor } = this;
    const concurrency = this.#fleet?.concurrency ?? this.#ownConcurrency;
    if (concurrency === executor.concurrency) return;
    if (!resizeExecutor(executor, concurrency)) return;
    this.#loops.resize(readWorkerEnvironment(concurrency).prefetch);
    this.#dispatcher.resized();
    this.#fleet?.report();
  }
}
