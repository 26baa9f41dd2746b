import type { Broker, Encoded, Message, Middleware } from "@dq/dramatiq";
import type { TcpProxy } from "../support/servers/proxy.ts";
import type { Harness, RulesOf } from "./rules.ts";

/** Options of {@linkcode BrokerHarness.create}. */
export interface CreateOptions {
  /**
   * Brokers of one namespace share their storage, as those of two processes do.
   * It is new for every test, and can be a part of names and paths.
   */
  readonly namespace: string;
  /** The middleware, when the rule is about that; else the broker's default. */
  readonly middleware?: readonly Middleware[];
}

/** Needs of the suite: what it has to know of a broker to test it. */
export interface BrokerHarness extends Harness {
  /** True if `enqueue` refuses queues that are not declared, or declares them. */
  readonly undeclaredQueues: "refused" | "accepted";

  /** Makes a broker. The suite closes it. */
  create(options: CreateOptions): Broker | Promise<Broker>;

  /** The dead letters of a queue as they are stored, the first one first. */
  deadLetters(broker: Broker, queueName: string): Promise<readonly Message[]>;

  /** Puts data on a queue as a producer with a bug would. */
  putRaw?(broker: Broker, queueName: string, data: Encoded): Promise<void>;

  /**
   * Counts what the storage holds for a queue and its delay queue, unsettled
   * messages and whatever is kept beside them included, dead letters excluded.
   */
  countMessages?(broker: Broker, queueName: string): Promise<number>;

  /** Cuts the connections of a broker's consumers, as a failing network would. */
  breakConnections?(broker: Broker): Promise<void>;

  /**
   * Resolves when a broker that has consumers has maintained its queues some times more. Left
   * out for one that does nothing periodically.
   */
  untilMaintained?(broker: Broker): Promise<void>;

  /**
   * Counts the calls of a broker that should be idle: commands to its server, or timers where
   * it has none. The time goes by its own maintenance, if it has any.
   */
  countIdleCalls?(broker: Broker): Promise<number>;

  /**
   * Makes a broker whose server is behind a proxy of its own, and which gives up soon to send to
   * a server that is silent. The suite closes both.
   */
  openProxied?(namespace: string): Promise<{ broker: Broker; proxy: TcpProxy }>;

  /** Removes what the brokers of a namespace left behind; they are closed by then. */
  cleanUp?(namespace: string): Promise<void>;
}

/** An optional ability of a harness. */
export type Ability =
  | "putRaw"
  | "countMessages"
  | "breakConnections"
  | "countIdleCalls"
  | "openProxied";

/** Rules by the key under which a harness can skip them. */
export type Rules = RulesOf<Fixture, Ability>;

/** Fixture of one check: brokers and queue names of its own. */
export class Fixture implements AsyncDisposable {
  readonly harness: BrokerHarness;
  readonly namespace: string = `conformance_${crypto.randomUUID().replaceAll("-", "")}`;
  /** A queue that is declared on all brokers of the fixture. */
  readonly queueName: string = this.newQueueName();
  readonly #brokers: Broker[] = [];
  readonly #others: AsyncDisposable[] = [];

  constructor(harness: BrokerHarness) {
    this.harness = harness;
  }

  /** A name that no other queue has. */
  newQueueName(): string {
    return `q_${crypto.randomUUID()}`;
  }

  /** Makes a broker. A second one shares the storage of the first. */
  async open(middleware?: readonly Middleware[]): Promise<Broker> {
    const { namespace } = this;
    const options = middleware === undefined ? { namespace } : { namespace, middleware };
    const broker = await this.harness.create(options);
    this.#brokers.push(broker);
    broker.declareQueue(this.queueName);
    return broker;
  }

  async deadLetters(broker: Broker, queueName = this.queueName): Promise<readonly Message[]> {
    return await this.harness.deadLetters(broker, queueName);
  }

  /** Gives a broker the time to do what it does periodically, some times over. */
  async untilMaintained(broker: Broker): Promise<void> {
    await this.harness.untilMaintained?.(broker);
  }

  /** Disposes of something at the end, before what came earlier. */
  use(resource: AsyncDisposable): void {
    this.#others.push(resource);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const other of this.#others.reverse()) await other[Symbol.asyncDispose]();
    for (const broker of this.#brokers) await broker.close();
    await this.harness.cleanUp?.(this.namespace);
  }
}
