import {
  actor,
  type ActorOptions,
  Control,
  defaultMiddleware,
  Message,
  type MessageOptions,
  MessageProxy,
  RedisBroker,
} from "@dq/dramatiq";
import { FakeClock } from "../../support/fake_clock.ts";
import { type RedisServer, startOwnRedis } from "../../support/servers/redis.ts";
import { until } from "../../support/servers/until.ts";
import { untilAtRest } from "../replay/rest.ts";
import { SteppedWorker } from "../replay/stepped_worker.ts";
import { BASE, type Scenario, timeOf } from "./capture.ts";
import { type Dump, readDump, writeDump } from "./dump.ts";
import { Notation } from "./notation.ts";
import { countScripts, Reader } from "./reader.ts";

/** Message to put on a queue. */
export interface Sending {
  readonly queueName?: string;
  readonly actorName?: string;
  readonly args?: readonly unknown[];
  readonly options?: MessageOptions;
  readonly delay?: number;
}

/** The server and the brokers of one scenario, each broker with a clock of its own. */
export class Fixture implements AsyncDisposable {
  readonly server: RedisServer;
  readonly notation: Notation;
  /** A worker of the first broker, for scenarios with one. */
  readonly worker: SteppedWorker;
  readonly #brokers: Map<string, RedisBroker> = new Map();
  readonly #isControlled: boolean;

  constructor(scenario: Scenario, server: RedisServer, isControlled: boolean) {
    this.server = server;
    this.#isControlled = isControlled;
    this.notation = new Notation(scenario);
    this.worker = new SteppedWorker();
    for (const [name, settings] of Object.entries(scenario.brokers)) {
      const clock = new FakeClock(BASE);
      const broker = new RedisBroker({
        url: server.url,
        namespace: settings.namespace,
        heartbeatTimeout: settings.heartbeat_timeout,
        deadMessageTtl: settings.dead_message_ttl,
        // Recovery of the scenarios rides on commands; here they are asked for.
        maintenanceInterval: Infinity,
        middleware: [this.worker.middleware, ...defaultMiddleware()],
        ...(scenario.kind === "stepped" ? { clock } : {}),
      });
      this.worker.guard(broker);
      this.#brokers.set(name, broker);
      this.notation.bind(settings.broker_id, broker.brokerId);
    }
  }

  /**
   * Starts a server for a scenario.
   *
   * @param scenario The scenario.
   * @param isControlled Whether other queues, actors and messages are controlled meanwhile.
   */
  static async open(scenario: Scenario, isControlled: boolean): Promise<Fixture> {
    const fixture = new Fixture(scenario, await startOwnRedis(), isControlled);
    await fixture.#controlOthers();
    return fixture;
  }

  /** The broker of a scenario that has one, or its first. */
  get broker(): RedisBroker {
    return this.brokerOf();
  }

  /** A broker by its name in the scenario. */
  brokerOf(name = this.#brokers.keys().next().value!): RedisBroker {
    return this.#brokers.get(name)!;
  }

  /**
   * Moves the clock of a broker forward to a step's time, and makes the calls that are due
   * by then.
   *
   * @param name The broker; that of the others stands still.
   * @param placeholder The time.
   */
  async moveClock(name: string | undefined, placeholder: string): Promise<void> {
    const { clock } = this.brokerOf(name);
    await (clock as FakeClock).advance(Math.max(0, timeOf(placeholder) - clock.now()));
  }

  /** Makes the calls of a broker that are due, and were not when its clock was moved. */
  async tick(name: string | undefined): Promise<void> {
    const { clock } = this.brokerOf(name);
    if (clock instanceof FakeClock) await clock.advance(0);
  }

  /** Waits until nothing is going on, so that what comes late does not come unseen. */
  async rest(): Promise<void> {
    await untilAtRest(() => countScripts(this.server));
  }

  /** Makes the database what a step shows. */
  async write(keys: Dump): Promise<void> {
    await writeDump(this.server, this.notation.toValues(keys));
    await this.#controlOthers();
  }

  /**
   * Makes the database what a step shows, but for what is unacknowledged: that is at the
   * front of its queue, so that it can be fetched.
   */
  async writeUnfetched(keys: Dump): Promise<void> {
    const unfetched: Record<string, Dump[string]> = { ...keys };
    for (const [name, key] of Object.entries(keys)) {
      const [, namespace, queueName] = /^(.*:)__acks__\.<broker:\d+>\.(.*)$/.exec(name) ?? [];
      if (key.type !== "set" || queueName === undefined) continue;
      const list = `${namespace}${queueName}`;
      const rest = unfetched[list]?.type === "list" ? unfetched[list].value : [];
      unfetched[list] = { type: "list", ttl_ms: -1, value: [...key.value, ...rest] };
      delete unfetched[name];
    }
    await this.write(unfetched);
  }

  /** The database, in the form of the capture; without our own keys, which Python does not know. */
  async read(): Promise<Dump> {
    const shared = await readDump(this.server, /:__(delays|control)__/);
    return this.notation.toPlaceholders(asPython(shared));
  }

  /** Makes a message of now. */
  message(sending: Sending, by?: string): Message {
    const { queueName = "goldq", actorName = "work", args = [], options = {} } = sending;
    const messageTimestamp = this.brokerOf(by).clock.now();
    return new Message({ queueName, actorName, args, options, messageTimestamp });
  }

  /** Puts a message on a queue. */
  async enqueue(sending: Sending, by?: string): Promise<unknown> {
    const options = sending.delay === undefined ? {} : { delay: sending.delay };
    return shown(await this.brokerOf(by).enqueue(this.message(sending, by), options));
  }

  /** Opens a consumer. */
  reader(queueName: string, prefetch: number, by?: string): Reader {
    const consumer = this.brokerOf(by).consume(queueName, { prefetch });
    return new Reader(this.server, consumer, prefetch);
  }

  /** Declares an actor of the first broker. */
  declare(actorName: string, fn: (...args: never[]) => unknown, options: ActorOptions = {}): void {
    actor(fn, { broker: this.broker, actorName, queueName: "goldq", ...options });
  }

  /** Starts the worker. */
  async startWorker(concurrency = 1): Promise<void> {
    this.broker.declareQueue("goldq");
    await this.worker.start(this.broker, concurrency);
  }

  /** Has the worker receive from a queue that has nothing for it. */
  async findNone(queueName: string): Promise<null> {
    const before = await countScripts(this.server);
    this.worker.open(queueName);
    const hasLooked = async () => await countScripts(this.server) > before;
    await until(hasLooked, { what: "see the worker look for messages" });
    this.worker.gate(queueName)!.shut();
    return null;
  }

  /** Has a broker clean up after the dead. */
  async recover(by: string): Promise<void> {
    const broker = this.brokerOf(by);
    broker.declareQueue("goldq");
    await broker.maintain();
  }

  /** Number of messages a queue has, in all. */
  async count(queueName: string, by: string): Promise<number> {
    const counts = await this.brokerOf(by).getQueueMessageCounts(queueName);
    return counts.ready + counts.delayed + counts.unacknowledged;
  }

  /** Pauses, resizes, cancels and claims what the scenario knows nothing of. */
  async #controlOthers(): Promise<void> {
    if (!this.#isControlled) return;
    for (const broker of this.#brokers.values()) {
      const control = new Control(broker);
      await control.pause({ queue: "elsewhere" });
      await control.pause({ actor: "elsewhere" });
      await control.pause({ worker: "elsewhere" });
      await control.cancel(crypto.randomUUID());
      await control.cancelAll({ actor: "elsewhere", queue: "elsewhere" });
      await control.setConcurrency(3, { worker: "elsewhere" });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.stop(0);
    for (const broker of this.#brokers.values()) await broker.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/** A message as a step returns it. */
export function shown(message: Message | MessageProxy): unknown {
  return message instanceof MessageProxy
    ? { message: message.message.asDict(), failed: message.failed }
    : { message: message.asDict() };
}

/**
 * A dump without what Python knows nothing of. The scores of delayed messages are etas, and less than
 * a millisecond by which those of the same eta go in the order they came. What a dead worker had is
 * noted in a key of its own, and so are the names of queues, and what workers report.
 */
function asPython(dump: Dump): Dump {
  const isOurs = (name: string) =>
    name.endsWith(".suspects") || /:__(queues|workers|minutes)__/.test(name);
  return Object.fromEntries(
    Object.entries(dump).filter(([name]) => !isOurs(name)).map(([name, key]) => {
      if (key.type !== "zset" || !name.endsWith(".etas")) return [name, key];
      const value = key.value.map((one) => ({ ...one, score: Math.floor(Number(one.score)) }));
      return [name, { ...key, value }];
    }),
  );
}
