import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlEntry, ControlStore, ControlValue } from "../core/control_store.ts";
import type { Schedule } from "../core/schedules.ts";
import { pause, type Timer } from "../platform/clock.ts";
import { hexDigest } from "../platform/digest.ts";
import { retryDelay } from "../platform/retry_delay.ts";
import { stringify } from "../platform/json_values.ts";
import { FiringOutage } from "./firing_outage.ts";
import { BOOT_PREFIX, FleetSchedules, SPECS_PREFIX } from "./fleet_schedules.ts";
import { RunMarks } from "./run_marks.ts";
import type { RunnerOwner } from "./runner_owner.ts";
import { ScheduleRunner } from "./schedule_runner.ts";
import { SCHEDULE_PAUSE_PREFIX, TICK_PREFIX } from "./schedule_state.ts";
import { StoreClock } from "./store_clock.ts";
import { ticksOf } from "./ticks.ts";
import { ControlView } from "./view.ts";
import { WORKER_PREFIX } from "./workers.ts";

/** Milliseconds between two reads of the live workers. */
const REFRESH_INTERVAL = 20_000;
/** Milliseconds for which the schedules of a worker are stored. */
const SPECS_TTL = 86_400_000;
/** Milliseconds after which a worker stores its schedules again. */
const SPECS_INTERVAL = SPECS_TTL / 2;
/** Milliseconds that `stop` waits for its announcement to be stored. */
const LONGEST_STOP = 1_000;

/** Options of a {@linkcode Scheduler}. */
export interface SchedulerOptions {
  readonly broker: Broker;
  /** Id of the worker. */
  readonly workerId: string;
  /** Resolves when the worker has read the store. */
  readonly ready: Promise<void>;
  /** When the worker started, by the clock of the store. */
  bootedAt(): number | undefined;
  /** Reports the worker again, with the digest of its schedules. */
  report(digest: string): void;
}

/**
 * Fires the schedules of a broker while a worker is running. One timer for all schedules wakes it
 * at the next tick. There is no leader: all workers that declare a schedule compete for its ticks,
 * see {@linkcode ScheduleRunner}.
 */
export class Scheduler implements RunnerOwner {
  readonly broker: Broker;
  readonly store: ControlStore;
  readonly time: StoreClock;
  readonly outage: FiringOutage;
  readonly #options: SchedulerOptions;
  readonly #fleet: FleetSchedules = new FleetSchedules();
  readonly #runners: Map<string, ScheduleRunner> = new Map();
  /** JSON of the schedules of this worker, by name. */
  readonly #texts: Map<string, string> = new Map();
  /** When to run each runner next, by the clock of the store. */
  readonly #wakeTimes: Map<ScheduleRunner, number> = new Map();
  readonly #running: Set<ScheduleRunner> = new Set();
  /** Running ones to run once more. */
  readonly #rerun: Set<ScheduleRunner> = new Set();
  readonly #paused: Set<string> = new Set();
  readonly #view: ControlView;
  readonly #marks: RunMarks;
  #declarations: Disposable | undefined;
  #digest: string | undefined;
  #bootedAt = 0;
  #timer: Timer | undefined;
  #nextRefresh = Infinity;
  #nextSpecs = Infinity;
  readonly #stopped: AbortController = new AbortController();
  /** Registrations and refreshes, serialized. */
  #work: Promise<void> = Promise.resolve();

  /**
   * Stores the options; `start` begins.
   *
   * @param options The broker, and the worker that it fires schedules for.
   */
  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.broker = options.broker;
    this.store = controlStoreOf(options.broker, "fire schedules");
    const { clock } = options.broker;
    this.time = new StoreClock(clock);
    this.outage = new FiringOutage(clock);
    this.#marks = new RunMarks(this.broker, this.store, (name) => this.#finished(name));
    this.#view = new ControlView({
      store: this.store,
      clock,
      prefixes: [SCHEDULE_PAUSE_PREFIX, BOOT_PREFIX],
      changed: (entry) => this.#changed(entry),
    });
  }

  /** Starts to fire schedules, also those that are declared later. */
  start(): void {
    this.broker.addMiddleware(this.#marks);
    this.#declarations = this.broker.schedules.listen(() => this.#register());
    this.#view.start();
    this.#register();
  }

  /**
   * Stops firing, and announces that to the other workers. Never rejects.
   *
   * @param gaveUp Ends the wait for an unavailable server.
   */
  async stop(gaveUp: Promise<void>): Promise<void> {
    const { clock } = this.broker;
    this.#stopped.abort();
    this.#declarations?.[Symbol.dispose]();
    this.#view.stop();
    clock.clearTimer(this.#timer);
    if (this.#digest === undefined) return;
    const announced = this.#work.then(() => this.#announce({ left: true })).catch(() => {});
    const isOver = new AbortController();
    await Promise.race([announced, gaveUp, pause(clock, LONGEST_STOP, isOver.signal)]);
    isOver.abort();
  }

  /** Stops renewing the marks of messages: the worker has stopped. */
  close(): void {
    this.#marks.close();
    this.broker.removeMiddleware(this.#marks);
  }

  /** True if the definition of this worker counts, see `FleetSchedules.find`. */
  isInCharge({ name }: Schedule): boolean {
    return !this.#isStopped && this.#fleet.find(name)?.text === this.#texts.get(name);
  }

  /** See `FleetSchedules.lastSeen`. */
  lastSeen(name: string, timing: string): number | undefined {
    return this.#fleet.lastSeen(name, timing);
  }

  /** True if a schedule is paused, as far as this worker knows. */
  isPaused(name: string): boolean {
    return this.#paused.has(name);
  }

  get #isStopped(): boolean {
    return this.#stopped.signal.aborted;
  }

  /** Stores all declared schedules, and starts runners for new ones. */
  #register(): void {
    this.#enqueue(async () => {
      await Promise.all([this.#view.ready, this.#options.ready]);
      if (this.#isStopped) return;
      this.#bootedAt = this.#options.bootedAt()!;
      const all = this.broker.schedules.all;
      this.#digest = hexDigest("sha1", stringify(all)).slice(0, 24);
      this.#fleet.learn(this.#digest, all);
      await this.#storeSpecs();
      await this.#refresh();
      for (const schedule of all) {
        if (this.#runners.has(schedule.name)) continue;
        this.#texts.set(schedule.name, stringify(schedule));
        const runner = new ScheduleRunner(this, schedule, await ticksOf(schedule));
        this.#runners.set(schedule.name, runner);
      }
      await this.#readStates();
      this.#runAll();
    });
  }

  /** Runs `work` after all earlier work, and retries it until it succeeds. */
  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      const { clock } = this.broker;
      for (let attempt = 0; !this.#isStopped; attempt++) {
        try {
          await work();
          return this.outage.ended();
        } catch (error) {
          if (this.#isStopped) return;
          this.outage.began(error);
          await pause(clock, retryDelay(attempt), this.#stopped.signal);
        }
      }
    });
  }

  /** Stores the schedules of this worker, and announces it to the others. */
  async #storeSpecs(): Promise<void> {
    const digest = this.#digest!;
    const value = JSON.parse(stringify(this.broker.schedules.all)) as ControlValue;
    await this.store.change([{ key: SPECS_PREFIX + digest, value, ttl: SPECS_TTL }]);
    this.#nextSpecs = this.time.now + SPECS_INTERVAL;
    const self = { digest, bootedAt: this.#bootedAt, seenAt: this.#bootedAt };
    this.#fleet.add(this.#options.workerId, self);
    this.#options.report(digest);
    await this.#announce({});
  }

  async #announce(more: { readonly left?: true }): Promise<void> {
    const value = { worker: this.#options.workerId, bootedAt: this.#bootedAt, ...more };
    await this.store.change([{ key: BOOT_PREFIX + this.#digest!, value, ttl: SPECS_TTL }]);
  }

  /** Reads the live workers. */
  async #refresh(): Promise<void> {
    const { entries } = await this.time.ask(() => this.store.read(WORKER_PREFIX));
    this.#fleet.refresh(entries, this.#options.workerId);
    await this.#learnUnknown();
    this.#nextRefresh = this.time.now + REFRESH_INTERVAL;
  }

  async #learnUnknown(): Promise<void> {
    for (const digest of this.#fleet.unknown) {
      const { entries } = await this.store.read([SPECS_PREFIX + digest]);
      for (const entry of entries) this.#fleet.learnEntry(entry);
    }
  }

  async #readStates(name?: string): Promise<void> {
    const selection = name === undefined ? TICK_PREFIX : [TICK_PREFIX + name];
    const { entries } = await this.time.ask(() => this.store.read(selection));
    for (const entry of entries) {
      this.#runners.get(entry.key.slice(TICK_PREFIX.length))?.learn(entry);
    }
  }

  #changed({ key, value }: ControlEntry): void {
    if (key.startsWith(SCHEDULE_PAUSE_PREFIX)) {
      const name = key.slice(SCHEDULE_PAUSE_PREFIX.length);
      if (value === null) this.#paused.delete(name);
      else this.#paused.add(name);
      return;
    }
    if (typeof value !== "object" || value === null) return;
    const { worker, bootedAt, left } = value as Readonly<Record<string, unknown>>;
    if (typeof worker !== "string" || typeof bootedAt !== "number") return;
    if (worker === this.#options.workerId) return;
    const digest = key.slice(BOOT_PREFIX.length);
    if (left === true) this.#fleet.remove(worker);
    else this.#fleet.add(worker, { digest, bootedAt, seenAt: bootedAt });
    this.#enqueue(async () => {
      await this.#learnUnknown();
      this.#runAll();
    });
  }

  /** A message of a schedule has finished on this worker. */
  #finished(name: string): void {
    const runner = this.#runners.get(name);
    if (runner === undefined || runner.schedule.overlap !== "queue") return;
    this.#enqueue(async () => {
      await this.#readStates(name);
      this.#run(runner);
    });
  }

  #runAll(): void {
    for (const runner of this.#runners.values()) this.#run(runner);
  }

  #run(runner: ScheduleRunner): void {
    if (this.#isStopped) return;
    if (this.#running.has(runner)) return void this.#rerun.add(runner);
    this.#running.add(runner);
    this.#wakeTimes.delete(runner);
    void runner.run().then((wakeAt) => {
      this.#running.delete(runner);
      if (this.#rerun.delete(runner)) return this.#run(runner);
      this.#wakeTimes.set(runner, wakeAt);
      this.#sleep();
    });
  }

  #sleep(): void {
    const { clock } = this.broker;
    clock.clearTimer(this.#timer);
    if (this.#isStopped) return;
    const next = Math.min(this.#nextRefresh, ...this.#wakeTimes.values());
    this.#timer = clock.setTimer(() => this.#wake(), Math.max(1, Math.ceil(next - this.time.now)));
  }

  #wake(): void {
    const { now } = this.time;
    if (now >= this.#nextRefresh) {
      this.#nextRefresh = Infinity;
      this.#enqueue(async () => {
        if (this.time.now >= this.#nextSpecs) await this.#storeSpecs();
        await this.#refresh();
        this.#runAll();
      });
    }
    for (const [runner, wakeAt] of this.#wakeTimes) if (wakeAt <= now) this.#run(runner);
    this.#sleep();
  }
}
