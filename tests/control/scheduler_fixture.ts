import {
  actor,
  type Broker,
  currentMessage,
  type Message,
  type Middleware,
  StubBroker,
  StubControlStore,
  Worker,
} from "@dq/dramatiq";
import type { PeriodicMessage, PeriodicTimes } from "@dq/dramatiq/control";
import { FakeClock } from "../support/fake_clock.ts";
import { eventually } from "../support/servers/until.ts";

/** Milliseconds of a day. */
export const DAY = 86_400_000;
/** Midnight, UTC. */
export const START = Date.parse("2026-01-05");

/** A broker that shares only its control store with others, like one in another process. */
export class SharingBroker extends StubBroker {
  readonly #shared: StubControlStore;

  constructor(clock: FakeClock, shared: StubControlStore, middleware?: Middleware[]) {
    super({ clock, failFast: false, ...(middleware && { middleware }) });
    this.#shared = shared;
  }

  override get controlStore(): StubControlStore {
    return this.#shared;
  }
}

/** A broker that stores changes and messages in two steps, like RabbitMQ. */
export class TwoStepBroker extends SharingBroker {
  override readonly storesWithChanges: boolean = false;
  /** Number of copies of each message that are stored; 0 simulates a crash before publishing. */
  copies = 1;

  protected override store(messages: readonly Message[]): void {
    for (let i = 0; i < this.copies; i++) super.store(messages);
  }
}

/** Workers that share a control store, and the messages that their actors have run. */
export class Fleet implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly store: StubControlStore;
  /** Arguments and tick of each run. */
  readonly runs: string[] = [];
  readonly #opened: AsyncDisposable[] = [];

  constructor(start: number = START) {
    this.clock = new FakeClock(start);
    this.store = new StubControlStore({ clock: this.clock });
  }

  /** Declares an actor on a new broker. */
  declare<B extends SharingBroker = SharingBroker>(
    times: PeriodicTimes,
    make: (clock: FakeClock, store: StubControlStore) => B = (clock, store) =>
      new SharingBroker(clock, store) as B,
  ): B {
    const broker = make(this.clock, this.store);
    this.#opened.push(broker);
    actor((..._args: unknown[]) => {
      const { tick } = currentMessage()!.options["periodic"] as PeriodicMessage;
      this.runs.push([...currentMessage()!.args, new Date(tick).toISOString()].join(" "));
    }, { broker, actorName: "nightly", maxRetries: 0, ...times });
    return broker;
  }

  /** Starts a worker, and waits until it fires schedules. */
  async work(broker: Broker): Promise<Worker> {
    const worker = new Worker(broker);
    this.#opened.push(worker);
    await worker.start();
    const isLearned = async () => {
      const { entries } = await this.store.read(`worker/${worker.id}`);
      const { schedules } = entries[0]?.value as { schedules?: string };
      const names = broker.schedules.all.map(({ name }) => `tick/${name}`);
      const ticks = (await this.store.read("tick/")).entries.map(({ key }) => key);
      return schedules !== undefined && names.every((name) => ticks.includes(name));
    };
    await eventually("begin to fire", isLearned);
    await this.clock.settle();
    return worker;
  }

  /** Advances the clock, and waits until all messages have run. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.clock.settle();
  }

  /** Returns the runs since the last call, sorted. */
  take(): string[] {
    return this.runs.splice(0).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened.reverse()) await one[Symbol.asyncDispose]();
    await this.store.close();
  }
}
