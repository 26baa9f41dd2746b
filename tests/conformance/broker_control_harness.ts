import { setTimeout as delay } from "node:timers/promises";
import {
  type Actor,
  actor,
  type ActorFunction,
  type ActorOptions,
  type Broker,
  Control,
  defaultMiddleware,
  GroupCallbacks,
  type Message,
  type MessageProxy,
  type Middleware,
  Results,
  StubRateLimiterBackend,
  StubResultBackend,
  Worker,
  type WorkerOptions,
} from "@dq/dramatiq";
import type { FakeClock } from "../support/fake_clock.ts";
import { eventually, passWhileWaiting } from "../support/servers/until.ts";
import type { Harness, RulesOf } from "./rules.ts";

/** Needs of the suite: what it has to know of a broker to test how it is controlled. */
export interface BrokerControlHarness extends Harness {
  /**
   * Makes a broker, which the suite closes. Those of one namespace share their queues and their
   * control store, as those of two processes do.
   */
  open(namespace: string, middleware: readonly Middleware[], clock?: FakeClock): Broker;
  /** Makes the time of a fixture, where the broker needs no other. @default The real time */
  readonly makeClock?: () => FakeClock;
  /** True if brokers of one namespace share anything at all. */
  readonly sharesNothing?: boolean;
}

/** Rules by the key under which a harness can skip them. */
export type Rules = RulesOf<Fixture, never>;

/** Outcomes of messages, recorded by a middleware. */
class Fates implements Middleware {
  /** By message id: the hooks that ended it. */
  readonly ends: Map<string, string[]> = new Map();
  /** The reasons for which messages were skipped. */
  readonly skipped: Map<string, unknown> = new Map();

  afterAck(_broker: Broker, message: MessageProxy): void {
    this.#note(message, message.retried ? "retried" : "ack");
  }

  afterNack(_broker: Broker, message: MessageProxy): void {
    this.#note(message, "nack");
  }

  afterSkipMessage(_broker: Broker, message: MessageProxy, reason: unknown): void {
    this.skipped.set(message.messageId, reason);
  }

  /** Waits until a message has been settled this often, and returns the outcomes. */
  async of(message: Message, count = 1): Promise<string[]> {
    const ends = () => this.ends.get(message.messageId) ?? [];
    await eventually(`settle ${message}`, () => ends().length >= count);
    return ends();
  }

  #note({ messageId }: MessageProxy, end: string): void {
    this.ends.set(messageId, [...this.ends.get(messageId) ?? [], end]);
  }
}

/** A broker of the fixture, and what is known of it. */
export interface Side {
  readonly broker: Broker;
  readonly control: Control;
  readonly fates: Fates;
}

/** Fixture of one check. */
export class Fixture implements AsyncDisposable {
  readonly harness: BrokerControlHarness;
  readonly namespace: string = `control_${crypto.randomUUID().replaceAll("-", "")}`;
  readonly queueName: string = `q_${crypto.randomUUID()}`;
  readonly #clock: FakeClock | undefined;
  readonly #passing: Disposable | undefined;
  readonly #results: StubResultBackend;
  readonly #limits: StubRateLimiterBackend;
  readonly #sides: Side[] = [];
  readonly #workers: Worker[] = [];

  constructor(harness: BrokerControlHarness) {
    this.harness = harness;
    this.#clock = harness.makeClock?.();
    if (this.#clock !== undefined) this.#passing = passWhileWaiting(this.#clock);
    const options = this.#clock === undefined ? {} : { clock: this.#clock };
    this.#results = new StubResultBackend(options);
    this.#limits = new StubRateLimiterBackend(options);
  }

  /** The clock of the broker. */
  get now(): number {
    return this.#clock?.now() ?? Date.now();
  }

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await (this.#clock?.advance(ms) ?? delay(ms));
  }

  /**
   * Makes a broker; a second one is another process, or the same broker where none can be.
   *
   * @param declares False for one that does not know the queue of the fixture.
   */
  open(declares = true): Side {
    if (this.harness.sharesNothing && this.#sides.length > 0) return this.#sides[0]!;
    const fates = new Fates();
    const middleware = [
      ...defaultMiddleware(),
      fates,
      new GroupCallbacks(this.#limits),
      new Results({ backend: this.#results, storeResults: true }),
    ];
    const broker = this.harness.open(this.namespace, middleware, this.#clock);
    if (declares) broker.declareQueue(this.queueName);
    const side = { broker, control: new Control(broker), fates };
    this.#sides.push(side);
    return side;
  }

  /** Declares an actor on the queue of the fixture. */
  actor<F extends ActorFunction>(
    { broker }: Side,
    fn: F,
    options: ActorOptions & { actorName: string },
  ): Actor<Parameters<F>, Awaited<ReturnType<F>>> {
    const { queueName } = this;
    return actor(fn, { broker, queueName, maxRetries: 0, ...options }) as Actor<
      Parameters<F>,
      Awaited<ReturnType<F>>
    >;
  }

  /** Starts a worker, which is stopped at the end. */
  async work({ broker }: Side, options: WorkerOptions = {}): Promise<Worker> {
    const worker = new Worker(broker, options);
    this.#workers.push(worker);
    await worker.start();
    return worker;
  }

  /** The actors' names of the dead letters of the queue. */
  async dead({ broker }: Side): Promise<string[]> {
    const names: string[] = [];
    for await (const { message } of broker.deadLetters(this.queueName)) {
      names.push(message.actorName);
    }
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    using _ = this.#passing;
    for (const worker of this.#workers) {
      const stopping = worker.stop(0);
      await (this.#clock?.waitFor(stopping) ?? stopping);
    }
    for (const { broker } of this.#sides) {
      if (!this.harness.sharesNothing) await broker.flush(this.queueName).catch(() => {});
      await broker.close();
    }
    await this.#results.close();
    await this.#limits.close();
  }
}
